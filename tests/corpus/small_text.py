"""Text of sixty lines with what breaks lines elsewhere, and `fairseq-bbpe prepare` on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import warm_environment

COMMAND = [sys.executable, "-m", "fairseq_bbpe.cli", "prepare"]

JAPANESE = ["ねこ  はマットの\u3000上にすわった", "", "ねずみ\r\u2028もマット", "ねこはどこ？", "マットの上です。"] * 12
ENGLISH = ["The cat sat on the mat .", "", " Rats too\x85,\x00 mat", "Where is the cat?", "On the mat."] * 12


def shell_environment() -> dict[str, str]:
    """Of `prepare`, and of the commands that it prints, in any folder."""
    return warm_environment(PYTHONPATH=os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """train, valid and test files, suffixes ja and en.txt, with what breaks lines elsewhere, and invalid UTF-8."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, count in (("train", 60), ("valid", 5), ("test", 8)):
        (folder / f"{name}.ja").write_bytes("\n".join(JAPANESE[:count]).encode() + b"\xe3\x81")
        (folder / f"{name}.en.txt").write_bytes("\n".join(ENGLISH[:count]).encode() + b"\n")
    return folder


def prepare(folder, *arguments, status=0, pairs=("train", "valid", "test")) -> subprocess.CompletedProcess:
    """Prepare inside `folder`; stdout and stderr are text."""
    prefixes = [f"--{name}pref={name}" for name in pairs]
    finished = subprocess.run(
        [*COMMAND, "--source-lang", "ja", "--target-lang", "en.txt", *prefixes, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env=shell_environment(),
    )
    assert finished.returncode == status, finished.stderr
    return finished


@pytest.fixture(scope="module")
def prepared(corpus) -> Path:
    """A data-bin of bbpe:300, made with two workers and two test sets."""
    done = prepare(
        corpus, "--vocab", "bbpe:300", "--destdir", "made/bbpe, 300", "--workers", "2", "--testpref", "test,valid"
    )
    assert "300 pieces" in done.stderr
    (corpus / "bbpe.sh").write_text(done.stdout, encoding="utf-8")
    return corpus / "made/bbpe, 300"
