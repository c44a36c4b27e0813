"""fairseq's own Transformer on several processes, under the default `c10d` and with gloo on the CPU."""

import pytest
import torch
from conftest import BIN, QUICK, run
from fairseq.distributed.untrained_copies import untrained_copies
from fairseq.models.transformer import TransformerConfig
from fairseq.modules import TransformerDecoderLayer, TransformerEncoderLayer

TORCHRUN = ["torchrun", "--standalone", "--nproc_per_node", "2"]
STOCK = [
    *("--arch", "transformer", "--encoder-layers", "2", "--decoder-layers", "1", "--share-all-embeddings"),
    *("--encoder-embed-dim", "32", "--decoder-embed-dim", "32", "--encoder-ffn-embed-dim", "64"),
    *("--decoder-ffn-embed-dim", "64", "--encoder-attention-heads", "2", "--decoder-attention-heads", "2"),
]
TRAIN = ["--optimizer", "adam", "--lr", "0.005", "--max-tokens", "600", "--dropout", "0", "--max-update", "5"]


def test_only_the_fused_copies_of_encoder_layers_are_left_out():
    encoder, decoder = (layer(TransformerConfig()) for layer in (TransformerEncoderLayer, TransformerDecoderLayer))
    model = torch.nn.ModuleDict({"a": encoder, "b": decoder, "c": torch.nn.MultiheadAttention(4, 2)})
    fused = ("in_proj", "out_proj", "fc1", "fc2")
    assert sorted(untrained_copies(model)) == sorted(
        f"a.{part}_{kind}" for part in fused for kind in ("weight", "bias")
    )
    assert sorted(untrained_copies(encoder)) == sorted(name[2:] for name in untrained_copies(model))


@pytest.mark.parametrize("precision", [[], ["--bf16"]], ids=["fp32", "bf16"])
def test_two_processes_reach_the_weights_of_one(precision, data_bin, tmp_path):
    options = [data_bin, *QUICK, *STOCK, *TRAIN, *precision, "--disable-validation"]
    run("fairseq-train", *options, "--update-freq", "2", "--save-dir", tmp_path / "one")
    gloo = ["--distributed-backend", "gloo", "--ddp-backend", "c10d", "--save-dir", tmp_path / "two"]
    run(*TORCHRUN, BIN / "fairseq-train", *options, *gloo)
    one, two = (
        torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=False)["model"] for name in ("one", "two")
    )
    for name, value in one.items():
        if name.endswith("_float_tensor"):
            continue  # never initialised in fairseq, which reads its type alone
        torch.testing.assert_close(two[name], value, atol=0.02 if precision else 1e-5, rtol=0, msg=name)


GATHER = """
import os, torch, torch.distributed as dist
from fairseq.distributed import utils
dist.init_process_group("gloo")
rank = dist.get_rank()
for size in (64, 4096):
    mine = {"rank": rank, "tensor": torch.full((3,), rank)}
    found = utils.all_gather_list(mine, dist.group.WORLD, max_size=16 * size)
    assert [f["rank"] for f in found] == [0, 1], found
    assert [f["tensor"].tolist() for f in found] == [[0] * 3, [1] * 3], found
try:
    utils.all_gather_list("x" * 200, dist.group.WORLD, max_size=100)
except ValueError as error:
    assert "exceeds max_size" in str(error)
    print("gathered")
dist.barrier()
dist.destroy_process_group()  # or a thread of gloo that still runs may abort the process as it ends
"""


def test_any_data_is_gathered_without_a_gpu(tmp_path):
    (tmp_path / "gather.py").write_text(GATHER, encoding="utf-8")
    assert run(*TORCHRUN, tmp_path / "gather.py").stdout.count("gathered") == 2
