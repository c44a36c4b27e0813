"""`fairseq-train --language-temperature` with a worker: killed and resumed, it ends with the same weights."""

import re
import shutil

import pytest
from conftest import run
from test_bbpe_dropout_training import train, weights

TASK = ["--task", "translation_bbpe", "--language-temperature"]


def test_a_resumed_training_equals_one_that_was_not_stopped(corpus, data_bin, tmp_path):
    whole, stopped, plain = tmp_path / "whole", tmp_path / "stopped", tmp_path / "plain"
    task = [*TASK, "5", "--train-languages", corpus / "valid.lang", "--bbpe-dropout", "0.1"]
    train(data_bin, whole, *task, "--max-epoch", "2", "--save-interval-updates", "1")
    # In the second epoch, as a kill would leave it.
    middle = min(whole.glob("checkpoint_2_*.pt"), key=lambda path: int(path.stem.split("_")[-1]))
    stopped.mkdir()
    shutil.copy(middle, stopped / "checkpoint_last.pt")
    train(data_bin, stopped, *task, "--max-epoch", "2")
    one, other = weights(whole), weights(stopped)
    assert all(one[name].equal(other[name]) for name in one)
    said = train(data_bin, plain, *TASK, "1", *task[4:], "--max-epoch", "2").stdout
    assert "--train-languages has no effect: --language-temperature is 1" in said
    assert not all(one[name].equal(other) for name, other in weights(plain).items())


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("translation_bbpe", ["0.5", "--train-languages", "lang"], "--language-temperature 0.5: give 1, which"),
        ("translation_bbpe", ["5"], "--language-temperature 5: give --train-languages FILE, the language of each"),
        ("translation_bbpe", ["5", "--train-languages", "no"], "no: no such file: give one with the language of each"),
        ("translation_bbpe", ["5", "--train-languages", "lang"], r"lang: has 2 lines for \d+ training pairs"),
        ("translation_bbpe", ["5", "--train-languages", "blank"], "blank: line 1 is empty: give the language"),
        ("translation_sub_batch", ["5"], "--language-temperature: not with --task translation_sub_batch"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(data_bin, tmp_path, monkeypatch, task, options, message):
    (tmp_path / "lang").write_text("de\nfr\n")
    (tmp_path / "blank").write_text("\n")
    options = [tmp_path / option if option in ("lang", "blank") else option for option in options]
    said = train(data_bin, tmp_path, "--task", task, "--language-temperature", *options, status=None).stderr
    assert re.search(f"^error: .*{message}", said.splitlines()[-1])


def test_generation_needs_no_languages(corpus, data_bin, tmp_path):
    languages = tmp_path / "lang"
    shutil.copy(corpus / "valid.lang", languages)
    said = train(data_bin, tmp_path, *TASK, "5", "--train-languages", languages, "--max-update", "2").stdout
    drawn = re.search(r"language temperature 5, pairs of an epoch: (.*)", said)[1]
    counts = [(before, after) for _, before, _, after in map(str.split, drawn.split(", "))]
    pairs = len(languages_of_pairs := (corpus / "valid.lang").read_text().split())
    assert len(counts) == len(set(languages_of_pairs))
    assert sum(int(before) for before, _ in counts) == pairs
    assert sum(int(after) for _, after in counts) == pytest.approx(pairs, abs=len(counts) / 2)
    languages.unlink()
    files = ["--path", tmp_path / "checkpoint_last.pt", "--gen-subset", "test", "--user-dir", "fairseq_bbpe"]
    said = run("fairseq-generate", data_bin, "--task", "translation_bbpe", *files, "--beam", "1", "--max-len-b", "9")
    assert said.stdout.count("\nH-") == 24
