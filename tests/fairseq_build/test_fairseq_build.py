"""fairseq as scripts/fairseq builds it: edits that fail loudly, stock models that run, checkpoints that are data."""

import argparse
import hashlib
import importlib.metadata
import os
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "scripts/fairseq"))
import backend
import edits
from edit import Edit, EditError
from fairseq.checkpoint_files import CheckpointError, load_checkpoint_as_data
from fairseq.data import Dictionary, LanguagePairDataset

DATA_OPTIONS = ["--cpu", "--no-progress-bar", "--num-workers", "0"]


def test_the_installed_fairseq_is_the_one_that_is_built_here():
    assert importlib.metadata.version("fairseq") == backend.VERSION


def test_the_label_is_counted_up_with_the_edits():
    folder = ROOT / "scripts/fairseq"
    files = sorted([*folder.glob("edit*.py"), *folder.glob("added/**/*.py")])
    contents = b"".join(file.read_bytes() for file in files)
    # After a change: count LABEL up in backend.py, and write both here.
    assert (backend.LABEL, hashlib.sha256(contents).hexdigest()[:16]) == ("bbpe.13", "32d097f44ec4c54a")


@pytest.mark.parametrize("text", ["np.int, np.int", "np.int64", ""])
def test_a_text_that_is_not_as_expected_stops_the_build(text, tmp_path):
    edit = Edit("module.py", r"\bnp\.int\b", "int", 1, "the alias is gone")
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    with pytest.raises(EditError, match=r"module.py: found .* times, expected 1; for: the alias is gone"):
        edit.apply(tmp_path)
    assert (tmp_path / "module.py").read_text(encoding="utf-8") == text


def test_a_file_that_is_missing_stops_the_build(tmp_path):
    with pytest.raises(EditError, match=r"module.py: not in the fairseq that was downloaded"):
        Edit("module.py", "a", "b", 1, "").apply(tmp_path)


def test_every_edit_says_what_it_is_for():
    assert all(edit.why and edit.count > 0 for edit in edits.EDITS)


def test_sentences_are_padded_to_one_of_a_few_lengths():
    dictionary = Dictionary()
    sentences = [torch.full((length,), 4) for length in (2, 3, 5, 6, 9, 9, 4)]
    lengths = list(map(len, sentences))
    data = LanguagePairDataset(sentences, lengths, dictionary, shuffle=False, num_buckets=2)
    # The median and the longest of the lengths (fairseq's --num-batch-buckets).
    assert [len(data[number]["source"]) for number in range(7)] == [5, 5, 5, 9, 9, 9, 5]


STOCK = {
    "transformer": ["--encoder-layers", "2", "--decoder-layers", "2", "--encoder-embed-dim", "32"],
    "lstm": ["--encoder-embed-dim", "32", "--decoder-embed-dim", "32", "--decoder-out-embed-dim", "32"],
    "fconv": ["--encoder-layers", "[(32, 3)]", "--decoder-layers", "[(32, 3)]", "--decoder-out-embed-dim", "32"],
    "lightconv": [
        *("--encoder-layers", "1", "--decoder-layers", "1"),
        *("--encoder-kernel-size-list", "[3]", "--decoder-kernel-size-list", "[3]"),
    ],
}


@pytest.mark.parametrize("arch", STOCK)
def test_stock_architectures_train_and_generate(arch, data_bin, tmp_path):
    train = ["--optimizer", "adam", "--max-tokens", "600", "--max-update", "2", "--disable-validation"]
    arch_options = ["--arch", arch, *STOCK[arch], *(["--decoder-embed-dim", "32"] if arch == "transformer" else [])]
    run("fairseq-train", data_bin, *DATA_OPTIONS, *arch_options, *train, "--save-dir", tmp_path)
    path = ["--path", tmp_path / "checkpoint_last.pt", "--max-len-b", "10", "--beam", "2"]
    out = run("fairseq-generate", data_bin, *DATA_OPTIONS, *path).stdout
    assert sum(line.startswith("H-") for line in out.splitlines()) > 0


def test_a_stock_language_model_trains_and_is_evaluated(data_bin, tmp_path):
    text = tmp_path / "text"
    text.write_text("the cat sat on the mat .\n" * 40, encoding="utf-8")
    preprocess = ["--only-source", "--trainpref", text, "--validpref", text, "--testpref", text]
    run("fairseq-preprocess", *preprocess, "--destdir", tmp_path / "bin")
    model = ["--arch", "transformer_lm", "--decoder-layers", "1", "--decoder-embed-dim", "32"]
    train = ["--task", "language_modeling", "--tokens-per-sample", "32", "--batch-size", "4", "--max-update", "2"]
    adam = ["--optimizer", "adam", "--save-dir", tmp_path]
    run("fairseq-train", tmp_path / "bin", *DATA_OPTIONS, *model, *train, *adam)
    path = ["--path", tmp_path / "checkpoint_last.pt", "--batch-size", "2", "--tokens-per-sample", "32"]
    assert "Perplexity" in run("fairseq-eval-lm", tmp_path / "bin", *DATA_OPTIONS, *path).stderr


class Touch:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_checkpoint_that_carries_code_is_refused_and_its_code_not_run(zipped, data_bin, tmp_path):
    checkpoint = {"args": None, "model": {}, "extra_state": Touch(tmp_path / "ran")}
    torch.save(checkpoint, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    failed = run("fairseq-generate", data_bin, *DATA_OPTIONS, "--path", tmp_path / "evil.pt", status=1)
    error = failed.stderr.strip().splitlines()[-1]
    assert str(tmp_path / "evil.pt") in error
    assert "mkdir" in error
    assert not (tmp_path / "ran").exists()


def test_a_truncated_checkpoint_is_named_with_the_remedy(trained, data_bin, tmp_path):
    whole = (trained / "checkpoint_last.pt").read_bytes()
    (tmp_path / "checkpoint_last.pt").write_bytes(whole[: len(whole) // 2])
    failed = run("fairseq-generate", data_bin, *DATA_OPTIONS, "--path", tmp_path / "checkpoint_last.pt", status=1)
    error = failed.stderr.strip().splitlines()[-1]
    assert str(tmp_path / "checkpoint_last.pt") in error
    assert "Copy it again" in error
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("cut", [3, 28, 49, 200])
def test_a_truncated_checkpoint_of_the_old_format_is_one_line_too(cut, tmp_path):
    torch.save({"model": {"w": torch.ones(9)}}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes((tmp_path / "old.pt").read_bytes()[:cut])
    with open(tmp_path / "old.pt", "rb") as file, pytest.raises(CheckpointError, match=r"old.pt: not a checkpoint, or"):
        load_checkpoint_as_data(file, "cpu")


def test_a_file_of_torch_that_is_no_checkpoint_is_told(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with open(tmp_path / "list.pt", "rb") as file, pytest.raises(CheckpointError, match=r"but a list"):
        load_checkpoint_as_data(file, "cpu")


def test_what_fairseq_writes_is_allowed(tmp_path):
    state = {"args": argparse.Namespace(lr=[0.1]), "best": np.float64(1.5), "history": np.arange(3), "w": torch.ones(2)}
    torch.save(state, tmp_path / "good.pt")
    with open(tmp_path / "good.pt", "rb") as file:
        loaded = load_checkpoint_as_data(file, "cpu")
    assert loaded["args"] == state["args"]
    assert loaded["best"] == 1.5
    assert loaded["history"].tolist() == [0, 1, 2]


def test_a_class_that_is_not_data_is_refused(tmp_path):
    torch.save({"model": edits.EDITS[0]}, tmp_path / "class.pt")
    with (
        open(tmp_path / "class.pt", "rb") as file,
        pytest.raises(CheckpointError, match=r"class.pt: refused.*edit.Edit"),
    ):
        load_checkpoint_as_data(file, "cpu")
