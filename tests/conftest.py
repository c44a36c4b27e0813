"""A small real corpus, its data-bin and short trainings, made once by the project's own commands."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from warm_start import Servers

# A busy machine is no failure.
BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("any-speed", **BUSY)
settings.register_profile("thorough", **BUSY, max_examples=100_000)  # pytest --hypothesis-profile thorough
settings.load_profile("any-speed")

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "fairseq_bbpe"
BIN = Path(sys.executable).parent
SERVERS = Servers()

# Wide enough to learn something in seconds on one core.
SMALL = [
    *("--arch", "transformer_bbpe_ctx_tiny", "--share-all-embeddings"),
    *("--encoder-embed-dim", "32", "--decoder-embed-dim", "32"),
    *("--encoder-ffn-embed-dim", "64", "--decoder-ffn-embed-dim", "64"),
]
QUICK = [*("--user-dir", str(PLUGIN), "--cpu", "--no-progress-bar", "--num-workers", "0")]
ADAM = [*("--optimizer", "adam", "--lr", "0.005", "--max-tokens", "600")]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random models and sentences whatever ran before: the order of tests differs from run to run."""
    random.seed(1)
    np.random.seed(1)
    torch = sys.modules.get("torch")  # tests of text run without it
    if torch is not None:
        torch.manual_seed(1)


def environment(threads: int = 1) -> dict[str, str]:
    """One thread, unless asked: sums then come out the same in every run. Threads that wait do not spin."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}


def warm_environment(**variables) -> dict[str, str]:
    """Of a shell whose commands, and whose commands' commands, are run by warm processes, each with one thread."""
    scripts = SERVERS.scripts(BIN)
    path = os.pathsep.join([str(scripts), str(BIN), os.environ["PATH"]])
    return {**environment(), "PATH": path, "WARM_PYTHON": str(scripts / "python"), **variables}


def interruptible() -> None:
    """For `preexec_fn`: what runs in the background, or under nohup, may have been told to ignore these."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)


def run(*command, cwd=ROOT, stdin="", status=0, threads=1) -> subprocess.CompletedProcess:
    """Run one of the environment's commands and check its exit status, None for any but 0; output is text."""
    program, *arguments = map(str, command)
    words = [str(BIN / program), *arguments]
    if program.startswith("fairseq-") and threads == 1:
        finished = SERVERS.run(words, cwd, warm_environment(), stdin)
    else:
        finished = subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, text=True, env=environment(threads))
    output = finished.stdout[-3000:] + finished.stderr[-3000:]
    assert (finished.returncode != 0) if status is None else (finished.returncode == status), output
    return finished


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Prefix folder of a few thousand translated lines: train, valid, test .src .en."""
    folder = tmp_path_factory.mktemp("corpus") / "cldr"
    run("python", ROOT / "examples/cldr_corpus.py", "--output", folder, "--pairs", "1000", "--held-out", "24")
    return folder


@pytest.fixture(scope="session")
def data_bin(corpus, tmp_path_factory) -> Path:
    """The corpus under a joint BBPE vocabulary of 400."""
    folder = tmp_path_factory.mktemp("data") / "bin"
    prefixes = [f"--{name}pref={corpus / name}" for name in ("train", "valid", "test")]
    vocabulary = ["--vocab", "bbpe:400", "--destdir", folder]
    run("fairseq-bbpe", "prepare", "--source-lang", "src", "--target-lang", "en", *prefixes, *vocabulary)
    return folder


@pytest.fixture(scope="session")
def trained(data_bin, tmp_path_factory) -> Path:
    """Folder of the checkpoints of a training of seconds, validated by BLEU on recovered text."""
    folder = tmp_path_factory.mktemp("trained")
    bleu = ["--eval-bleu", "--eval-bleu-detok", "bbpe_recovery", "--eval-bleu-args", '{"beam": 1, "max_len_b": 30}']
    best = ["--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric"]
    end = ["--max-update", "120", "--save-dir", folder, "--log-file", folder / "log"]
    run("fairseq-train", data_bin, "--task", "translation_bbpe", *QUICK, *SMALL, *ADAM, *bleu, *best, *end)
    return folder
