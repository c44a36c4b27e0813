"""The real commands on raw bytes: split, train, score, continue, resume, several processes."""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import BIN, QUICK, ROOT, environment, run
from test_byte_lm_refusals import task_for

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.errors import UserError

BYTES = [*QUICK, "--task", "byte_language_modeling"]
SIZE = 30_011  # a multiple of nothing
SMALL = ["--arch", "bytenet_lm_tiny", "--channels", "8", "--dilations", "1,2"]  # sees 7 bytes back
ADAM = ["--optimizer", "adam", "--lr", "0.01", "--batch-size", "8", "--disable-validation"]
WINDOWS = ["--context-bytes", "7", "--scored-bytes", "30"]

# fairseq-train that a SIGKILL ends where it would save for the second time: what it did since the first is lost.
KILLED = """
import os, signal
from fairseq import checkpoint_utils
from fairseq_cli.train import cli_main

save, saved = checkpoint_utils.save_checkpoint, []

def save_once(*arguments):
    if saved:
        os.kill(os.getpid(), signal.SIGKILL)
    saved.append(save(*arguments))

checkpoint_utils.save_checkpoint = save_once
cli_main()
"""


def small_arguments(*, updates: int) -> list[str]:
    return [*BYTES, *SMALL, *ADAM, *WINDOWS, "--max-update", str(updates)]


TO_REPEAT = [*small_arguments(updates=65), "--save-interval-updates", "5"]


def validated(arguments: list[str]) -> list[str]:
    return [option for option in arguments if option != "--disable-validation"]


def logged_bits_per_byte(log: str) -> float:
    return float(re.search(r"valid on 'valid' subset .* bits_per_byte ([\d.]+)", log)[1])


def weights(checkpoint) -> dict:
    # PyTorch's allow-list is not at issue here.
    return torch.load(checkpoint, weights_only=False)["model"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A file of words drawn at random, some of them not valid UTF-8."""
    words = [b"byte", b"net", "日本".encode(), b"\xff\x00", b"\n", b"decoder", b"of", b"text"]
    draw = np.random.default_rng(0).integers(0, len(words), SIZE)
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_bytes(b" ".join(words[i] for i in draw)[:SIZE])
    return path


@pytest.fixture(scope="module")
def data(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    run("fairseq-bbpe", "lm", "split", "--input", text, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A checkpoint after 40 updates, validated once."""
    folder = tmp_path_factory.mktemp("trained")
    log = run("fairseq-train", data, *validated(small_arguments(updates=40)), "--save-dir", folder).stdout
    (folder / "log").write_text(log)
    return folder / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Checkpoints of a training in one go, over the end of its first epoch (57 updates); every 5 updates one."""
    folder = tmp_path_factory.mktemp("whole")
    run("fairseq-train", data, *TO_REPEAT, "--update-freq", "2", "--save-dir", folder)
    return folder


def evaluate(data, checkpoint, *options) -> tuple[float, str]:
    """Bits/byte that fairseq-eval-lm prints, and its log."""
    finished = run("fairseq-eval-lm", data, *BYTES, "--path", checkpoint, *options)
    log = finished.stdout + finished.stderr
    return float(re.search(r"Loss \(base 2\): ([\d.]+)", log)[1]), log


def bits_per_byte(data, checkpoint, *options) -> float:
    return evaluate(data, checkpoint, "--batch-size", "5", *options)[0]


def test_split_cuts_by_bytes(text, data, tmp_path):
    parts = [(data / name).read_bytes() for name in ("train", "valid", "test")]
    assert b"".join(parts) == text.read_bytes()
    assert [len(part) for part in parts] == [27009, 1500, 1502]
    assert sorted(os.listdir(data)) == ["test", "train", "valid"]
    shares = ["--shares", "50,25,25", "--output", tmp_path]
    run("fairseq-bbpe", "lm", "split", "--input", text, *shares)
    assert (tmp_path / "train").stat().st_size == SIZE // 2
    failed = run("fairseq-bbpe", "lm", "split", "--input", text, "--output", tmp_path, "--shares", "9,1,1", status=2)
    assert "'9,1,1': give three whole numbers that add up to 100" in failed.stderr


def test_four_ways_to_bits_per_byte_agree(data, trained):
    """Validation, windows in fairseq-eval-lm, their scores byte for byte, and one stream without windows."""
    windows = ["--eval-scored-bytes", "77", "--max-tokens", "500"]
    printed, out = evaluate(data, trained, "--gen-subset", "valid", *windows, "--output-word-probs")
    assert logged_bits_per_byte((trained.parent / "log").read_text()) == pytest.approx(printed, abs=1e-4)
    scores = re.findall(r"\b([0-9a-f]{2}) \[(-?[\d.]+)\]", out)
    assert bytes.fromhex("".join(byte for byte, _ in scores)) == (data / "valid").read_bytes()[1:]
    assert -np.log2(np.e) * np.mean([float(score) for _, score in scores]) == pytest.approx(printed, abs=1e-4)

    stream = run("fairseq-bbpe", "lm", "bits", "--checkpoint", trained, "--input", data / "valid")
    rows = [line.split("\t") for line in stream.stdout.splitlines()]
    assert [int(offset) for offset, _, _ in rows] == list(range(1, 1500))
    assert [byte for _, byte, _ in rows] == [byte for byte, _ in scores]
    assert np.mean([float(bits) for *_, bits in rows]) == pytest.approx(printed, abs=1e-4)
    assert f"1,499 bytes scored, {printed:.3f}" in stream.stderr
    assert printed < 4


def test_a_uniform_model_costs_exactly_8_bits(data, trained, tmp_path):
    checkpoint = torch.load(trained, weights_only=False)
    for name in ("decoder.output.weight", "decoder.output.bias"):
        checkpoint["model"][name].zero_()
    torch.save(checkpoint, tmp_path / "uniform.pt")
    assert bits_per_byte(data, tmp_path / "uniform.pt", "--gen-subset", "train") == 8.0


def test_a_continuation_is_valid_text_and_repeats_with_the_seed(text, trained):
    prompt = text.read_bytes()[:9000]

    def complete(*options) -> bytes:
        command = [BIN / "fairseq-bbpe", "lm", "complete", "--checkpoint", trained, "--bytes", "60", *options]
        return subprocess.run(command, input=prompt, capture_output=True, check=True, env=environment()).stdout

    samples = complete("--samples", "2", "--topk", "20")
    assert samples.decode("utf-8")
    assert samples == complete("--samples", "2", "--topk", "20", "--on-invalid", "strict")  # nothing to recover from
    assert samples != complete("--samples", "2", "--topk", "20", "--valid-utf8", "off")
    assert complete("--beam", "3") != samples
    failed = run("fairseq-bbpe", "lm", "complete", "--checkpoint", trained, "--beam", "3", "--topk", "5", status=2)
    assert failed.stderr.startswith("fairseq-bbpe: error: --beam searches: leave out")


def test_transformer_lm_is_a_baseline_on_the_same_windows(data, tmp_path):
    arguments = [*BYTES, *ADAM, *WINDOWS, "--max-update", "3", "--save-dir", tmp_path]
    model = ["--arch", "transformer_lm", "--decoder-layers", "1", "--decoder-embed-dim", "16"]
    heads = ["--decoder-attention-heads", "2", "--decoder-ffn-embed-dim", "16"]
    out = run("fairseq-train", data, *arguments, *model, *heads).stdout
    assert re.search(r"wpb\W+240", out)  # 8 windows of 30 bytes that count
    assert 1 < bits_per_byte(data, tmp_path / "checkpoint_last.pt", *WINDOWS) < 7


def test_windows_longer_than_the_model_reads_are_told(data):
    task = task_for(data, eval_context_bytes=40)
    task.load_dataset("test")
    with pytest.raises(UserError, match="windows of 69 columns, but the model reads 36 at most"):
        task.eval_lm_dataloader(task.dataset("test"), max_positions=36)


def test_sub_batch_norm_trains_in_this_task(data, tmp_path):
    arguments = [*validated(small_arguments(updates=20)), "--norm", "sub_batch", "--auxiliary-share", "0.25"]
    out = run("fairseq-train", data, *arguments, "--save-dir", tmp_path).stdout
    assert re.search(r"wpb\W+180", out)  # of 8 windows 2 only give statistics
    scored, byte = map(int, re.search(r"(\d+) FLOP per scored window, (\d+) FLOP per scored byte", out).groups())
    assert byte == round(scored / 30)
    assert logged_bits_per_byte(out) < 8


def test_two_processes_reach_the_weights_of_one(data, whole, tmp_path):
    gloo = ["--distributed-backend", "gloo", "--save-dir", tmp_path]
    options = [*small_arguments(updates=5), *gloo]
    run("torchrun", "--standalone", "--nproc_per_node", "2", BIN / "fairseq-train", data, *options)
    one, two = weights(whole / "checkpoint_1_5.pt"), weights(tmp_path / "checkpoint_last.pt")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0, msg=name)


def test_killed_and_resumed_equals_uninterrupted(data, whole, tmp_path):
    """Over the end of the first epoch, with windows drawn by a worker process."""
    command = [data, *TO_REPEAT, "--update-freq", "2", "--num-workers", "1", "--save-dir", tmp_path]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    killed = subprocess.run([sys.executable, "-c", KILLED, *command], cwd=ROOT, env=environment(), **quiet)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == ["checkpoint_1_5.pt", "checkpoint_last.pt"]
    resumed = run("fairseq-train", *command)
    assert re.search(r"Loaded checkpoint .* 5 updates", resumed.stdout)
    one, two = (weights(folder / "checkpoint_last.pt") for folder in (whole, tmp_path))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_missing_split_is_one_line(data, tmp_path):
    shutil.copy(data / "train", tmp_path)
    arguments = small_arguments(updates=1)
    failed = run("fairseq-train", tmp_path, *arguments, "--save-dir", tmp_path / "c", status=1)
    assert failed.stderr.splitlines()[-1].startswith(
        f"error: {tmp_path}/valid: no such file; 'fairseq-bbpe lm split' makes"
    )
    assert "Traceback" not in failed.stderr
