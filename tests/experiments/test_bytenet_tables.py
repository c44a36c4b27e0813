"""The scripts of the ByteNet paper's tables 1 and 2, on the shortest path, on the CPU; and what they refuse."""

import csv
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import BIN, ROOT, environment, run

TRIAL = ["--channels", "8", "--dilations", "1,2", "--sets", "1", "--num-workers", "0", "--log-interval", "2"]
FEW = ["--lengths", "16,32", "--forward-lengths", "16,32", "--path-lengths", "8,16", "--repeat", "1"]
MODELS = ["bytenet", "bytenet_conv_rnn", "bytenet_birnn_rnn", "lstm", "lstm with attention", "transformer"]


def script(name: str, *arguments, status: int = 0) -> subprocess.CompletedProcess:
    command = ["bash", ROOT / "examples/bytenet" / name, *map(str, arguments)]
    # No GPU, even where there is one: what these tests say is about the scripts.
    shell = {**environment(), "PATH": f"{BIN}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    finished = subprocess.run(command, capture_output=True, text=True, env=shell)
    assert finished.returncode == status, finished.stdout[-2000:] + finished.stderr[-2000:]
    return finished


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """A file of words drawn at random, some of them not valid UTF-8."""
    words = [b"byte", b"net", "日本".encode(), b"\xff\x00", b"\n", b"decoder", b"of", b"text"]
    draw = np.random.default_rng(0).integers(0, len(words), 30_000)
    path = tmp_path_factory.mktemp("a text") / "text"
    path.write_bytes(b" ".join(words[i] for i in draw)[:30_011])
    return path


@pytest.fixture(scope="module")
def table1(tmp_path_factory) -> tuple[Path, list]:
    arguments = ["--output", tmp_path_factory.mktemp("table 1"), *FEW, "--parameters", "20000", "--models", *MODELS]
    table = script("table1_complexity.sh", *arguments).stdout
    assert script("table1_complexity.sh", *arguments).stdout == table  # measured already: only shown
    return arguments[1] / "tiny/tables/table1.tsv", table


def test_table_1_has_the_papers_rows_and_ours(table1):
    _, table = table1
    assert "| Grid LSTM | RNN | RNN | S·T | yes | S + T | S + T | not built here |" in table
    assert re.search(r"\| ByteNet \| CNN \| CNN \| cS \+ cT \| yes \| c \| c \| `bytenet` \|.* 1 \| [+-]\d", table)
    assert re.search(r"Hardware .*, 1 thread.*Commit \S+\.\n\n`bash examples/bytenet/table1_complexity.sh ", table)


def test_layer_steps_are_those_of_the_papers_formulas(table1):
    """Between the first and the last of n tokens, where S = T = n."""
    rows = {row["model"]: row for row in read(table1[0])}
    steps = {name: tuple(int(row[f"Path_{side} 16"]) for side in "ST") for name, row in rows.items()}
    assert steps["lstm"] == (31, 15)  # S + T, T
    assert steps["lstm with attention"] == (1, 15)  # 1, T
    assert steps["bytenet_birnn_rnn"] == (15, 15)  # max(S, T), T
    # Convolutions bridge 15 columns in a few blocks: 8 + 8 - 1 in the source, 8 + 4 + 2 + 1 in the masked target.
    assert steps["bytenet_conv_rnn"] == (3, 15)
    assert steps["bytenet"] == (3, 4)
    assert steps["transformer"] == (1, 1)


def test_table_2_on_a_file(text, tmp_path):
    arguments = ["--data", text, "--output", tmp_path / "a run", "--minutes", "1", "--updates", "6", *TRIAL]
    table = script("table2_language_model.sh", *arguments).stdout
    figure = re.search(r"\| ByteNet Decoder \| 1.33 \| (\d\.\d{4}) \| \+(\d\.\d{4}) \|", table)
    assert float(figure[1]) == pytest.approx(1.33 + float(figure[2]), abs=1e-6)
    assert len(re.findall(r"\| (?:xz -9|adaptive).* \| - \| \d\.\d{4} \| - \|", table)) == 3
    assert "last 1,502 of 30,011 bytes of text" in table
    assert "`bytenet_lm_tiny`, 6 updates" in table
    row = read(tmp_path / "a run/tiny/tables/table2.tsv")[10]
    assert (row["model"], row["ours"], row["updates"], row["bytes"]) == ("ByteNet Decoder", figure[1], "6", "30011")
    assert script("table2_language_model.sh", *arguments).stdout == table  # all is done: only the table
    other = script("table2_language_model.sh", "--data", __file__, "--output", tmp_path / "a run", status=2)
    assert "give another --output" in other.stderr


def test_the_stages_of_a_training_resume_each_other(text, tmp_path):
    """As on a GPU, at a size of seconds."""
    stages = ["--minutes", "9", "--stage-minutes", "8", "--updates", "12", "--gpus", "0", "--scale", "base"]
    small = [*TRIAL, "--batch-size", "4", "--lr", "0.02", "--warmup-updates", "1"]
    arguments = ["--data", text, "--output", tmp_path / "run", *stages, *small]
    # Ended by updates, not by minutes, the stages are the same on a busy machine.
    first = script("table2_language_model.sh", *arguments, "--max-update", "6")
    assert "run the same command again" in first.stderr
    table = script("table2_language_model.sh", *arguments).stdout
    assert re.search(r"\| ByteNet Decoder \| 1.33 \| \d\.\d+ \|", table)
    one, two = read(tmp_path / "run/base/stages.tsv")
    assert (one["updates"], two["updates"]) == ("6", "12")
    assert int(two["bytes"]) == 12 * 4 * 400
    assert float(two["validation bits/byte"]) < 8
    assert float(two["bytes/s"]) > 0
    assert two["command"].startswith("fairseq-train")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("table1_complexity.sh", ["--gpus", "1"], "--gpus 1: torch sees no GPU here"),
        ("table1_complexity.sh", ["--data", "."], "this table needs none"),
        ("table1_complexity.sh", ["--fast"], "unknown argument '--fast'"),
        ("table1_complexity.sh", ["--scale", "huge"], "--scale huge: give tiny, base or big"),
        ("table2_language_model.sh", ["--gpus", "4"], "--gpus 4: torch sees 0 here; give --gpus 0"),
        ("table2_language_model.sh", ["--scale", "big"], "--scale big: torch sees no GPU here"),
        ("table2_language_model.sh", ["--data", "nothing"], "--data nothing: no such file"),
        ("table2_language_model.sh", ["--minutes", "soon"], "--minutes soon: give a whole number"),
        ("table2_language_model.sh", ["wiki"], "unknown argument 'wiki'; a file is given with --data"),
    ],
)
def test_mistakes_are_one_line(name, arguments, said, tmp_path):
    wrong = script(name, "--output", tmp_path / "run", *arguments, status=2)
    assert said in wrong.stderr
    assert wrong.stderr.count("\n") == 1
    assert not (tmp_path / "run/tiny/split").exists()


def test_help_says_how_long_it_takes():
    assert "2 minutes on one core" in script("table1_complexity.sh", "--help").stdout
    assert "for 5 minutes, on two CPU cores" in script("table2_language_model.sh", "--help").stdout


def test_the_exponent_of_a_curve():
    run("python", "-m", "doctest", ROOT / "scripts/complexity.py")
