"""Checkpoints that a kill cut short: what a training resumes from."""

import os
import zipfile

import pytest

from fairseq_bbpe.experiments.train import mend_checkpoints


def write(folder, name, content, age, whole=True):
    """A checkpoint, as torch writes it: a zip file. A copy that was cut short has its beginning alone."""
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", content * 100)
    if not whole:
        path.write_bytes(path.read_bytes()[:-60])
    os.utime(path, (1000 - age, 1000 - age))
    return path


def content(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("data")[:3].decode()


def test_whole_checkpoints_stay_as_they_are(tmp_path):
    write(tmp_path, "checkpoint_1_30.pt", "new", 1)
    write(tmp_path, "checkpoint_best.pt", "old", 3)
    write(tmp_path, "checkpoint_last.pt", "new", 0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    mend_checkpoints(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_last_one_cut_short_is_the_newest_whole_one(tmp_path):
    """Which fairseq was copying when it was killed."""
    write(tmp_path, "checkpoint_1_20.pt", "old", 5)
    write(tmp_path, "checkpoint_1_30.pt", "new", 1)
    write(tmp_path, "checkpoint_best.pt", "old", 4)
    write(tmp_path, "checkpoint_last.pt", "new", 0, whole=False)
    mend_checkpoints(tmp_path)
    assert content(tmp_path / "checkpoint_last.pt") == "new"
    assert content(tmp_path / "checkpoint_best.pt") == "old"


def test_a_best_one_cut_short_leaves_the_last_to_resume_from(tmp_path):
    """The training then comes to that checkpoint again, and writes it whole."""
    write(tmp_path, "checkpoint_1_30.pt", "new", 1)
    write(tmp_path, "checkpoint_best.pt", "new", 0, whole=False)
    write(tmp_path, "checkpoint_last.pt", "old", 3)
    mend_checkpoints(tmp_path)
    assert content(tmp_path / "checkpoint_last.pt") == "old"
    assert content(tmp_path / "checkpoint_best.pt") == "old"


@pytest.mark.parametrize("name", ["checkpoint_last.pt", "checkpoint_best.pt"])
def test_where_nothing_is_whole_it_begins_again(name, tmp_path):
    write(tmp_path, name, "new", 0, whole=False)
    mend_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())
