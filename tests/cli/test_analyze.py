"""`fairseq-bbpe analyze` as a shell runs it: every kind of table, killed and started again, wrong arguments."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import BIN, environment, interruptible, run

from fairseq_bbpe.analysis.tables import read_table
from fairseq_bbpe.vocabularies import Vocabulary

SOURCE = ["猫がマットの上に座った", "", "naïve 猫 ", "مرحبا بكم"] * 5
TARGET = ["the cat sat on the mat", "nothing", "a naïve cat", "welcome here"] * 5
LANGUAGES = ["ja", "ja", "fr", "ar"] * 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files src, en and lang."""
    folder = tmp_path_factory.mktemp("text")
    for name, lines in (("src", SOURCE), ("en", TARGET), ("lang", LANGUAGES)):
        (folder / name).write_bytes("\n".join(lines).encode() + b"\n")
    return folder


def analyze(kind, folder, *arguments, status=0):
    return run(
        "fairseq-bbpe",
        "analyze",
        kind,
        "--source",
        folder / "src",
        "--target",
        folder / "en",
        *arguments,
        status=status,
    )


def test_every_kind_of_table_by_the_command(folder, tmp_path):
    vocabulary = ["--vocab", "bbpe:300", "char", "--models", tmp_path / "models"]
    out = ["--output", tmp_path / "table"]
    analyze("datasets", folder, "--languages", folder / "lang", "--name", "x-en", *out)
    assert read_table(tmp_path / "table")[1][0][:4] == ["x-en", "train", "20", "3"]
    analyze("lengths", folder, *vocabulary, *out)
    header, rows = read_table(tmp_path / "table")
    shares = ["source_%_of_bytes", "target_%_of_bytes"]
    assert header == ["corpus", "vocabulary", "pieces", "source", "target", "both", "source/target", *shares]
    encoded = run(
        "fairseq-bbpe", "encode", "--model", tmp_path / "models/bbpe-300.model", stdin="\n".join(SOURCE)
    ).stdout
    assert rows[0][:4] == ["-", "bbpe:300", "300", f"{len(encoded.split()) / 20:.2f}"]
    said = analyze("partial", folder, *vocabulary, *out).stderr
    assert "learning" not in said
    assert [row[1] for row in read_table(tmp_path / "table")[1]] == ["bbpe:300", "char"]
    analyze("frequencies", folder, *vocabulary, *out)
    assert read_table(tmp_path / "table")[0] == ["rank", "bbpe:300", "char"]
    analyze("sharing", folder, *vocabulary, *out, "--languages", folder / "lang", "--among", "ja", "ar")
    header, rows = read_table(tmp_path / "table")
    assert (header, [row[0] for row in rows]) == (["languages", "bbpe:300", "char"], ["0", "1", "2"])
    assert sum(int(row[1]) for row in rows) == 300
    said = analyze("premiums", folder, "--vocab", "bbpe:300", "byte", *out, "--languages", folder / "lang").stdout
    # In bytes (33 + 0) / (22 + 7), 17 / 12 and 11 / 12: sum_ij |x_i - x_j| is 2, and the sum 3.471.
    assert said.splitlines()[1] == "byte: 15.25 + 13.25 pieces a line, highest premium 1.417 (ar), Gini 0.0960"
    header, rows = read_table(tmp_path / "table")
    assert header == ["language", "lines", "bbpe:300", "byte"]
    of_bytes = [(language, lines, premium) for language, lines, _, premium in rows]
    assert of_bytes == [("ja", "10", "1.138"), ("ar", "5", "1.417"), ("fr", "5", "0.917")]


def test_killed_and_started_again(corpus, tmp_path):
    folder, models, table = corpus, tmp_path / "models", tmp_path / "table"
    files = ["--source", folder / "train.src", "--target", folder / "train.en", "--models", models, "--output", table]
    command = ["analyze", "lengths", *files, "--vocab", "bbpe:400", "bbpe:2200"]
    more = [f"bbpe:{size}" for size in range(2000, 2100)]  # so that it is not done before the signal comes
    with subprocess.Popen(
        [BIN / "fairseq-bbpe", *map(str, [*command[:-1], *more, "bbpe:2200"])],
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=interruptible,
    ) as running:
        while running.poll() is None and not (models / "bbpe-400.model").exists():
            time.sleep(0.002)
        running.send_signal(signal.SIGTERM)
        assert b"Traceback" not in running.stderr.read()
    assert running.returncode == 128 + signal.SIGTERM
    assert not table.exists()
    before = os.stat(models / "bbpe-400.model").st_mtime_ns
    said = run("fairseq-bbpe", *command).stderr
    assert "learning bbpe:2200" in said
    assert "learning bbpe:400\n" not in said
    assert os.stat(models / "bbpe-400.model").st_mtime_ns == before
    whole = table.read_bytes()
    run("fairseq-bbpe", *command[:-2], "bbpe:2200", "bbpe:400")
    assert whole.splitlines()[1] == table.read_bytes().splitlines()[2]


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("datasets", ["--languages", "en.short"], "en.short has 1: give files of parallel lines"),
        ("lengths", ["--vocab", "words"], "--vocab words: give byte, bbpe:N"),
        ("lengths", ["--vocab", "byte", "byte"], "byte is given twice"),
        ("lengths", ["--vocab", "missing.model"], "--vocab missing.model: No such file"),
        ("lengths", ["--vocab", "src.model"], "src.model: not a sentencepiece model"),
        ("lengths", ["--vocab", "byte", "--models", "src"], "--models src: File exists"),
        ("lengths", ["--vocab", "byte", "--name", "a\tb"], "--name: holds a tab"),
        ("lengths", ["--vocab", "byte", "--name", "a\rb"], "--name: holds a tab or a line's end"),
        ("lengths", ["--vocab", "fairseq:0"], "--vocab fairseq:0: a vocabulary of nothing"),
        ("lengths", ["--vocab", "bpe:99999"], "supports none of these vocabularies"),
        ("partial", ["--vocab", "byte", "--target", "en.short"], "src has 20 lines, en.short has 1"),
        ("frequencies", ["--vocab", "byte", "--source", "nowhere"], "--source nowhere: No such file"),
        ("frequencies", ["--vocab", "byte", "--output", "no/t"], "--output no/t: cannot write into no"),
        (
            "sharing",
            ["--vocab", "byte", "--languages", "lang", "--among", "it"],
            "--among it: not in lang, which has ar",
        ),
        ("premiums", ["--vocab", "byte", "--languages", "en.short"], "en.short has 1: give files of parallel lines"),
        ("premiums", ["--vocab", "byte", "--languages", "lang", "--target", "blank"], "ar: all its target lines are"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(folder, tmp_path, kind, arguments, message):
    (tmp_path / "en.short").write_text("one line\n")
    (tmp_path / "blank").write_text("a\n\na\n\n" * 5)
    (tmp_path / "src.model").write_text("not a model\n")
    for name in ("src", "en", "lang"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    command = ["fairseq-bbpe", "analyze", kind, "--source", "src", "--target", "en", "--output", "t", *arguments]
    said = run(*command, cwd=tmp_path, status=2).stderr.splitlines()
    assert said[-1].startswith("fairseq-bbpe: error: ")
    assert message in said[-1]
    assert all(line.startswith("fairseq-bbpe") for line in said)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["lengths", "--vocab", "byte", "--output", "src.tsv"], "would overwrite --source src.tsv"),
        (["lengths", "--vocab", "byte", "--output", "again/../en"], "would overwrite --target en"),
        (["lengths", "--vocab", "v.model", "--output", "v.model"], "would overwrite --vocab v.model"),
        (["lengths", "--vocab", "byte", "--output", "again"], "again is a folder"),
        (["lengths", "--vocab", "byte", "--output", "pipe"], "pipe is a pipe or device"),
        (["length-correlation", "--output", "src"], "would overwrite --source src.tsv"),
    ],
)
def test_an_output_replaces_no_input_and_no_device(folder, tmp_path, arguments, problem):
    for name, source in (("src.tsv", "src"), ("en", "en")):
        (tmp_path / name).write_bytes((folder / source).read_bytes())
    Vocabulary.learn([], 256).save(tmp_path / "v")
    (tmp_path / "again").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    files = ["--source", "src.tsv", "--target", "en"]
    said = run("fairseq-bbpe", "analyze", arguments[0], *files, *arguments[1:], cwd=tmp_path, status=2).stderr
    assert problem in said
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_names_of_files_may_be_any_bytes(folder, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/v\xff")
    Vocabulary.learn([], 256).save(name)
    analyze("lengths", folder, "--vocab", f"{name}.model", "--output", tmp_path / "t")
    assert b"\tv\xff\t256\t" in (tmp_path / "t").read_bytes()
    shutil.copy(folder / "src", f"{name}.src")
    files = ["--source", f"{name}.src", "--target", folder / "en"]
    run("fairseq-bbpe", "analyze", "length-correlation", *files, "--output", tmp_path / "figure")


def test_wrong_usage_shows_the_usage_of_the_kind():
    assert run("fairseq-bbpe", "analyze", status=2).stderr.startswith("usage: fairseq-bbpe analyze")
    said = run("fairseq-bbpe", "analyze", "lengths", "--vocab", "byte", status=2).stderr
    assert said.startswith("usage: fairseq-bbpe analyze lengths")
