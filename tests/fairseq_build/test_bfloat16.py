"""`--bf16` on the CPU and on CUDA: only `--tpu` means a TPU; training, validation and every command that evaluates."""

import json
import re
from pathlib import Path

import pytest
import torch
from conftest import QUICK, SMALL, run
from fairseq import optim, options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.optim.fp16_optimizer import FP16Optimizer
from omegaconf import OmegaConf

STOCK = [
    *("--arch", "transformer", "--encoder-layers", "1", "--decoder-layers", "1"),
    *("--encoder-embed-dim", "32", "--decoder-embed-dim", "32", "--encoder-ffn-embed-dim", "64"),
    *("--decoder-ffn-embed-dim", "64", "--encoder-attention-heads", "2", "--decoder-attention-heads", "2"),
]
TRAIN = ["--optimizer", "adam", "--lr", "0.005", "--max-tokens", "600", "--max-update", "30", "--log-format", "json"]


@pytest.mark.parametrize("flag", ["--bf16", "--memory-efficient-bf16"])
@pytest.mark.parametrize("tpu", [[], ["--tpu"]], ids=["", "tpu"])
def test_only_the_flag_tpu_means_a_tpu(flag, tpu):
    arguments = ["data-bin", "--arch", "transformer", flag, *tpu]
    args = options.parse_args_and_arch(options.get_training_parser(), arguments)
    common = convert_namespace_to_omegaconf(args).common
    assert (args.bf16, args.tpu, common.bf16, common.tpu) == (True, bool(tpu), True, bool(tpu))


def train(data_bin, folder, *arguments) -> list[float]:
    """The losses that fairseq logs."""
    log = run("fairseq-train", data_bin, *QUICK, *TRAIN, "--save-dir", folder, "--log-interval", "1", *arguments).stdout
    lines = [line.split(" | ")[-1] for line in log.splitlines() if "| train_inner |" in line]
    return [float(json.loads(line)["loss"]) for line in lines]


@pytest.fixture(scope="module")
def in_bfloat16(data_bin, tmp_path_factory) -> tuple[Path, list[float]]:
    """Folder and losses of a stock Transformer trained in bfloat16."""
    folder = tmp_path_factory.mktemp("bf16")
    bleu = ["--eval-bleu", "--eval-bleu-args", '{"beam": 1, "max_len_b": 20}']
    return folder, train(data_bin, folder, *STOCK, "--bf16", "--clip-norm", "1.0", *bleu)


def test_training_in_bfloat16_learns_as_in_32_bits(in_bfloat16, data_bin, tmp_path):
    losses = in_bfloat16[1]
    wide = train(data_bin, tmp_path, *STOCK, "--clip-norm", "1.0", "--disable-validation")
    assert len(losses) == len(wide) == 30
    assert losses[-1] < 0.8 * losses[0]
    assert losses[-1] == pytest.approx(wide[-1], rel=0.05)
    assert losses != wide


@pytest.mark.parametrize(("flag", "context"), [("--bf16", "gru"), ("--memory-efficient-bf16", "conv")])
def test_the_plugins_models_learn_in_bfloat16(flag, context, data_bin, tmp_path):
    losses = train(data_bin, tmp_path, *SMALL, "--embed-context", context, flag, "--disable-validation")
    assert losses[-1] < 0.8 * losses[0]


def test_a_training_in_bfloat16_is_validated_saved_and_resumed(in_bfloat16, data_bin):
    state = torch.load(in_bfloat16[0] / "checkpoint_last.pt", weights_only=False)
    weights = [value for name, value in state["model"].items() if name.endswith("weight")]
    # 32 bits on the disk, of which the model used sixteen; Adam's moments are those of the 32-bit weights.
    assert all(torch.equal(value, value.bfloat16().float()) for value in weights)
    moments = [entry["exp_avg"] for entry in state["last_optimizer_state"]["state"].values()]
    assert any(not torch.equal(value, value.bfloat16().float()) for value in moments)
    more = run(
        *("fairseq-train", data_bin, *QUICK, *TRAIN, *STOCK, "--bf16", "--save-dir", in_bfloat16[0]),
        *("--max-update", "33", "--disable-validation"),
    )
    assert "Loaded checkpoint" in more.stdout
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert ("no fast products in bfloat16" in more.stdout + more.stderr) == (not fast)
    assert '"num_updates": "33"' in more.stdout or "33 updates" in more.stdout


def hypotheses(text: str) -> list[str]:
    return [line.split("\t")[2] for line in text.splitlines() if line.startswith("H-")]


def test_generation_computes_in_bfloat16(in_bfloat16, data_bin, corpus):
    path = ["--path", in_bfloat16[0] / "checkpoint_best.pt", "--max-len-b", "20", "--beam", "2"]
    narrow, wide = (run("fairseq-generate", data_bin, *QUICK, *path, *flags).stdout for flags in (["--bf16"], []))
    assert len(hypotheses(narrow)) == len(hypotheses(wide)) == 24
    scores = [[line.split("\t")[1] for line in text.splitlines() if line.startswith("H-")] for text in (narrow, wide)]
    assert scores[0] != scores[1]
    stdin = "".join((data_bin / "raw/test.src").read_text(encoding="utf-8").splitlines(keepends=True)[:3])
    interactive = [
        run("fairseq-interactive", data_bin, *QUICK, *path, *bf, stdin=stdin).stdout for bf in ([], ["--bf16"])
    ]
    assert len(hypotheses(interactive[1])) == 3
    assert interactive[0] != interactive[1]


def test_validation_alone_computes_in_bfloat16(in_bfloat16, data_bin, tmp_path):
    best = ["--path", in_bfloat16[0] / "checkpoint_best.pt", "--valid-subset", "valid,test"]
    best += ["--task", "translation", "--max-tokens", "600"]
    found = [run("fairseq-validate", data_bin, *QUICK, *best, *flags) for flags in ([], ["--bf16"])]
    figures = r"\| loss ([\d.]+)(?: \| nll_loss [\d.]+)? \| ppl ([\d.]+)"
    wide, narrow = ([float(n) for row in re.findall(figures, f.stdout + f.stderr) for n in row] for f in found)
    assert len(wide) == len(narrow) == 4
    assert narrow == pytest.approx(wide, rel=0.02)
    # The weights are rounded in both, and rounded activations move a mean by little: the perplexity shows it first.
    assert narrow != wide


def test_eval_lm_computes_in_bfloat16(tmp_path):
    text = tmp_path / "text"
    text.write_text("the cat sat on the mat . a dog ran after it\n" * 30, encoding="utf-8")
    sides = ["--trainpref", text, "--validpref", text, "--testpref", text]
    run("fairseq-preprocess", "--only-source", *sides, "--destdir", tmp_path / "bin")
    model = ["--arch", "transformer_lm", "--decoder-layers", "1", "--decoder-embed-dim", "32", "--bf16"]
    task = ["--task", "language_modeling", "--tokens-per-sample", "32", "--batch-size", "4", "--max-update", "2"]
    run("fairseq-train", tmp_path / "bin", *QUICK, *model, *task, "--optimizer", "adam", "--save-dir", tmp_path)
    path = ["--path", tmp_path / "checkpoint_last.pt", "--batch-size", "2", "--tokens-per-sample", "32"]
    found = [run("fairseq-eval-lm", tmp_path / "bin", *QUICK, *path, *flags).stderr for flags in ([], ["--bf16"])]
    loss = [float(text.split("Loss (base 2): ")[1].split(",")[0]) for text in found]
    assert loss[0] == pytest.approx(loss[1], rel=0.02)
    assert loss[0] != loss[1]


class StepWithScale(optim.FairseqOptimizer):
    """Gradient descent that divides by the scale in its step, as apex's fused Adam does."""

    def __init__(self, params):
        super().__init__(None)
        self._optimizer = torch.optim.SGD(params, lr=1.0)
        self._optimizer.supports_step_with_scale = True
        self.scales = []

    def step(self, closure=None, scale=1.0, groups=None):
        self.scales.append(float(scale))


def test_the_factor_of_one_update_does_not_stay_for_the_next():
    common = {"bf16": True, "fp16_scale_window": 8}
    cfg = OmegaConf.create({"common": common, "optimizer": None, "optimization": {"update_freq": [1]}})
    weight = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    inner = StepWithScale([weight])
    optimizer = FP16Optimizer(cfg, [weight], inner, [torch.nn.Parameter(weight.data.float())])
    for _ in range(3):
        optimizer.zero_grad()
        weight.grad = torch.ones_like(weight)
        optimizer.multiply_grads(0.25)
        optimizer.step()
    assert inner.scales == [4.0, 4.0, 4.0]
