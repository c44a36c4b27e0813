"""200 updates of fairseq-train: our Transformer without context learns exactly what fairseq's `transformer` learns."""

import json

import pytest
import torch
from conftest import QUICK, run

SIZES = {"layers": 1, "embed-dim": 32, "ffn-embed-dim": 64, "attention-heads": 2}
SHAPE = [f"--{side}-{name}={value}" for side in ("encoder", "decoder") for name, value in SIZES.items()]
NO_DRAWS = ["--dropout", "0", "--attention-dropout", "0", "--activation-dropout", "0"]  # the two draw differently
TRAIN = ["--optimizer", "adam", "--lr", "0.003", "--share-all-embeddings", "--label-smoothing", "0.1", "--seed", "1"]
LENGTH = ["--max-tokens", "400", "--max-update", "200", "--disable-validation", "--no-epoch-checkpoints"]
LOG = ["--log-format", "json", "--log-interval", "20"]


def train(data_bin, folder, *model) -> tuple[list[float], torch.Tensor]:
    """The logged losses, of three decimals, and the embedding after the last update."""
    command = ["fairseq-train", data_bin, *QUICK, *SHAPE, *NO_DRAWS, *TRAIN, *LENGTH, *LOG, "--save-dir", folder]
    lines = [line.split(" | ")[-1] for line in run(*command, *model).stdout.splitlines() if "| train_inner |" in line]
    state = torch.load(folder / "checkpoint_last.pt", weights_only=False)
    return [float(json.loads(line)["loss"]) for line in lines], state["model"]["encoder.embed_tokens.weight"]


def test_200_updates_are_those_of_fairseqs_transformer(data_bin, tmp_path):
    plain = ["--arch", "transformer", "--criterion", "label_smoothed_cross_entropy"]
    ours = ["--arch", "transformer_bbpe_ctx", "--embed-context", "none"]
    ours += ["--criterion", "label_smoothed_cross_entropy_blocks"]
    expected, embedding = train(data_bin, tmp_path / "plain", *plain)
    losses, our_embedding = train(data_bin, tmp_path / "ours", *ours)
    assert len(losses) == 10
    assert losses[-1] < 0.7 * losses[0]
    assert losses == pytest.approx(expected, abs=1.01e-3)  # a digit of the log's last place
    # The optimizer's path is one: it would have parted where a gradient differs.
    assert (our_embedding - embedding).norm() < 1e-3 * embedding.norm()
