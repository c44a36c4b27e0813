"""What fairseq-train says before it trains of splits that its validation would stop at, or that validation changes."""

import pytest
from conftest import ADAM, QUICK, SMALL, run

BBPE = ["--task", "translation_bbpe", *SMALL]
SUB_BATCH = ["--task", "translation_sub_batch", "--arch", "bytenet_v1_tiny", "--channels", "8", "--norm", "sub_batch"]
LANGUAGES = ["--language-temperature", "5", "--train-languages"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*BBPE, "--max-tokens-valid", "5"], "--max-tokens-valid 5 (that of --max-tokens, unless given): the longest"),
        ([*BBPE, "--valid-subset", "train", "--bbpe-dropout", "0.1"], "--valid-subset train: --bbpe-dropout segments"),
        ([*BBPE, "--valid-subset", "valid,train", *LANGUAGES], "--valid-subset valid,train: --language-temperature"),
        ([*SUB_BATCH, "--valid-subset", "train"], "--valid-subset train: --norm sub_batch takes a part of every batch"),
        ([*SUB_BATCH, "--store-ema"], "--store-ema: not with --norm sub_batch"),
    ],
)
def test_it_is_one_line_before_training(options, message, corpus, data_bin, tmp_path):
    languages = [corpus / "train.lang"] if options[-1] == LANGUAGES[-1] else []
    finished = run(
        "fairseq-train", data_bin, *QUICK, *options, *languages, *ADAM, "--save-dir", tmp_path / "saved", status=None
    )
    assert finished.returncode != 0
    assert finished.stderr.splitlines()[-1].startswith(f"error: {message}")
    assert not (tmp_path / "saved").exists() or not list((tmp_path / "saved").glob("*.pt"))


def test_a_training_split_that_nothing_changes_is_validated_on(data_bin, tmp_path):
    out = run(
        "fairseq-train", data_bin, *QUICK, *BBPE, *ADAM, "--valid-subset", "valid,train", "--max-update", "1",
        "--no-save", "--save-dir", tmp_path,
    ).stdout  # fmt: skip
    assert "valid on 'train' subset" in out
