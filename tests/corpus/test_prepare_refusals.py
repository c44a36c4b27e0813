"""`fairseq-bbpe prepare` tells what is wrong in one line, and leaves nothing behind, wherever it ends."""

# ruff: noqa: F811  (fixtures that are imported)

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import interruptible
from sentencepiece import SentencePieceTrainer
from small_text import COMMAND, corpus, prepare, shell_environment  # noqa: F401

from fairseq_bbpe.corpus.staging import replacing

pytest.importorskip("fairseq", reason="needs fairseq")


@pytest.mark.parametrize(
    ("change", "arguments", "problem"),
    [
        ("", ["--vocab", "bbpe"], "--vocab bbpe: give byte, bbpe:N, char, bpe:N, fairseq:N or a"),
        ("", ["--vocab", "unigram:300"], "--vocab unigram:300: give byte"),
        ("", ["--vocab", "byte:256"], "--vocab byte:256: give byte"),
        ("", ["--vocab", "bbpe:255"], "--vocab bbpe:255: .* bbpe:256 or more"),
        ("", ["--vocab", "bbpe:50000"], r"size 50000: this text supports at most \d+"),
        ("", ["--vocab", "bpe:50000"], r"size 50000: this text supports at most \d+"),
        ("", ["--vocab", "bpe:3"], r"size 3: this text has more characters: give \d+ or more"),
        ("", ["--model", "train.ja", "--sample", "9"], "--sample: --model train.ja is taken as it is"),
        ("", ["--vocab", "train.model", "--sample", "9"], "--sample: --vocab train.model is taken as it is"),
        ("", ["--vocab", "byte", "--only-source"], "--only-source: --trainpref needs both sides"),
        ("", ["--model", "train.ja", "--at-most"], "--at-most: --model train.ja is taken as it is: give --vocab"),
        ("", ["--vocab", "bpe:3", "--at-most"], r"size 3: this text has more characters: give \d+ or more"),
        ("", ["--model", "train.ja"], "train.ja: not a sentencepiece model"),
        ("", ["--vocab", f"bpe:{2**31}"], f"size {2**31}: no text supports so many"),
        ("", ["--vocab", f"bpe:{'9' * 5000}"], "no text supports so many"),
        ("yes '' | head -9 | tee train.ja > train.en.txt", ["--vocab", "char"], "training text holds no characters"),
        ("yes '' | head -9 | tee train.ja > train.en.txt", ["--vocab", "bpe:50"], "training text holds no characters"),
        ("", ["--vocab", "byte", "--validpref", "valid,,test"], "--validpref holds an empty prefix"),
        ("", ["--vocab", "byte", "--trainpref", ""], "--trainpref holds an empty prefix"),
        ("", ["--vocab", "byte", "--trainpref", "train,valid"], "--trainpref train,valid: give one prefix"),
        ("rm test.ja; mkfifo test.ja", ["--vocab", "byte"], "--testpref test.ja: is a pipe or device"),
        ("", ["--vocab", "byte", "--destdir", "/"], "--destdir /: is the root"),
        ("rm test.ja", ["--vocab", "byte"], "--testpref test.ja: No such file"),
        (": > valid.en.txt", ["--vocab", "byte"], "--validpref valid.en.txt: the file is empty"),
        ("echo >> train.ja; echo >> train.ja", ["--vocab", "byte"], "train.ja has 61 lines, train.en.txt has 60"),
        ("", ["--vocab", "byte", "--target-lang", "ja"], "--source-lang and --target-lang are both ja"),
        ("", ["--vocab", "byte", "--destdir", "train.ja/bin"], "cannot write"),
        ("", ["--vocab", "byte", "--destdir", ""], "--destdir: is empty: give a folder"),
        ("", ["--vocab", "byte", "--destdir", "."], "is the current folder, which a new one would replace"),
        ("", ["--vocab", "byte", "--destdir", ".."], "holds the current folder, which a new one would replace"),
        ("", ["--vocab", "byte", "--destdir", "a:b"], "a:b: fairseq would split this path"),
        ("", ["--vocab", "byte", "--destdir", "train.ja"], "train.ja: exists and is no data-bin"),
        (
            "mkdir mine; touch mine/x",
            ["--vocab", "byte", "--destdir", "mine", "--overwrite"],
            "exists and is no data-bin",
        ),
        (
            "mkdir made; touch made/preprocess.log",
            ["--vocab", "byte", "--destdir", "made"],
            "made: exists: .*--overwrite",
        ),
        (
            "mkdir -p made/mine; touch made/preprocess.log made/mine/checkpoint_best.pt",
            ["--vocab", "byte", "--destdir", "made", "--overwrite"],
            "made: holds mine/checkpoint_best.pt, which neither 'prepare' nor 'ngrams' wrote",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(corpus, tmp_path, change, arguments, problem):
    for path in corpus.glob("t*.*"), corpus.glob("v*.*"):
        for file in path:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    subprocess.run(change, shell=True, check=True, cwd=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    finished = prepare(tmp_path, "--destdir", "data-bin/new", *arguments, status=2)
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("fairseq-bbpe: error: ")
    assert re.search(problem, last), last
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_interrupted_replacement_leaves_the_old_or_the_new(tmp_path, monkeypatch, renames):
    """An interruption comes after so many renames."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/old").touch()
    done = []
    rename = Path.rename

    def interrupted_rename(path, target):
        if len(done) == renames:
            done.append("interrupted")
            raise KeyboardInterrupt
        done.append(rename(path, target))
        return done[-1]

    def interrupted_rmtree(path, **kwargs):
        if len(done) == renames == 2:
            done.append("interrupted")
            raise KeyboardInterrupt
        rmtree(path, **kwargs)

    rmtree = shutil.rmtree
    monkeypatch.setattr(Path, "rename", interrupted_rename)
    monkeypatch.setattr(shutil, "rmtree", interrupted_rmtree)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "bin") as folder:
        (folder / "new").touch()
    kept = "new" if renames == 2 else "old"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "bin", tmp_path / "bin" / kept]


def test_a_model_whose_pieces_end_lines_is_refused(tmp_path):
    """As sentencepiece learns them from lines that end in CR LF, if told to normalize nothing."""
    for language in ("ja", "en.txt"):
        (tmp_path / f"train.{language}").write_bytes(b"one two\r\nthree four\r\n" * 9)
    options = {"model_type": "bpe", "vocab_size": 30, "hard_vocab_limit": False, "normalization_rule_name": "identity"}
    SentencePieceTrainer.train(input=str(tmp_path / "train.ja"), model_prefix=str(tmp_path / "cr"), **options)
    said = prepare(tmp_path, "--model", "cr.model", "--destdir", "bin", pairs=["train"], status=2).stderr
    assert re.search(
        r"^fairseq-bbpe: error: cr\.model: the piece '.*\\r' would break a line of dict\.txt: ", said, re.M
    )
    assert not (tmp_path / "bin").exists()


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_preparation_leaves_nothing(corpus, tmp_path, kill):
    for language in ("ja", "en.txt"):  # of seconds
        lines = (corpus / f"train.{language}").read_bytes().removesuffix(b"\n") + b"\n"
        (tmp_path / f"long.{language}").write_bytes(lines * 5000)
    command = [*COMMAND, "--source-lang", "ja", "--target-lang", "en.txt", "--trainpref", "long", "--vocab", "byte"]
    options = {"cwd": tmp_path, "stderr": subprocess.PIPE, "env": shell_environment(), "preexec_fn": interruptible}
    with subprocess.Popen([*command, "--destdir", str(tmp_path / "new/bin")], **options) as process:
        while b"encoding train" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(kill)
        assert process.stderr.read() == b""
    assert process.returncode == 128 + kill
    assert {path.name for path in tmp_path.iterdir()} == {"long.ja", "long.en.txt"}
