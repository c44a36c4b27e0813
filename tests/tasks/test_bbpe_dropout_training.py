"""`fairseq-train --bbpe-dropout` with the default workers: killed and resumed, it ends with the same weights."""

import shutil

import torch
from conftest import ADAM, QUICK, SMALL, run
from fairseq.data.data_utils import load_indexed_dataset

from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig

DROPOUT = ["--task", "translation_bbpe", "--bbpe-dropout", "0.2"]


def train(data_bin, folder, *options, status=0):
    # Of 24 sentences, a few batches an epoch.
    batch = [*("--train-subset", "valid", "--max-tokens", "300", "--num-workers", "1", "--disable-validation")]
    return run("fairseq-train", data_bin, *QUICK, *SMALL, *ADAM, *batch, "--save-dir", folder, *options, status=status)


def weights(folder):
    # PyTorch's allow-list is not at issue here, and fairseq's positions keep one number that is never set.
    model = torch.load(folder / "checkpoint_last.pt", weights_only=False)["model"]
    return {name: value for name, value in model.items() if not name.endswith("_float_tensor")}


def test_a_resumed_training_equals_one_that_was_not_stopped(data_bin, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(data_bin, whole, *DROPOUT, "--max-epoch", "2", "--save-interval-updates", "1")
    # In the second epoch, as a kill would leave it.
    middle = min(whole.glob("checkpoint_2_*.pt"), key=lambda path: int(path.stem.split("_")[-1]))
    stopped.mkdir()
    shutil.copy(middle, stopped / "checkpoint_last.pt")
    train(data_bin, stopped, *DROPOUT, "--max-epoch", "2")
    one, other = weights(whole), weights(stopped)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_room_for_longer_segmentations_ends_at_max_tokens(data_bin):
    """A sentence that fits stays one that a batch can hold, whatever becomes of it."""

    def rooms(max_tokens):
        options = {"data": str(data_bin), "bbpe_dropout": 0.5, "seed": 1, "max_tokens": max_tokens}
        read = {"train_subset": "train", "dataset_impl": "mmap", "required_seq_len_multiple": 1}
        task = TranslationBBPE.setup_task(TranslationBBPEConfig(**options, **read))
        task.load_dataset("train")
        return task.dataset("train").sizes

    sides = [load_indexed_dataset(str(data_bin / f"train.src-en.{side}")) for side in ("src", "en")]
    longest = max(int(side.sizes.max()) for side in sides)
    assert rooms(None).max() > longest
    assert rooms(longest).max() == longest


def test_what_cannot_be_dropped_is_refused(data_bin, tmp_path):
    finished = train(data_bin, tmp_path, *DROPOUT[:2], "--bbpe-dropout", "1.5", status=None)
    assert finished.stderr.splitlines()[-1].startswith("error: --bbpe-dropout 1.5")
    finished = train(data_bin, tmp_path, "--task", "translation_sub_batch", *DROPOUT[2:], status=None)
    assert "--bbpe-dropout: not with --task translation_sub_batch" in finished.stderr.splitlines()[-1]
    copy = tmp_path / "bin"
    shutil.copytree(data_bin, copy)
    (copy / "bbpe.model").unlink()
    finished = train(copy, tmp_path, *DROPOUT, status=None)
    assert "bbpe.model: no such file" in finished.stderr.splitlines()[-1]
