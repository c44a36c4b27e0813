"""What the language modelling task says of files and windows that it cannot use, or not whole."""

import re

import pytest
from fairseq import tasks
from omegaconf import OmegaConf

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models.bytenet_lm import ByteNetLM, ByteNetLMConfig, ByteNetLMDecoder
from fairseq_bbpe.tasks.byte_language_modeling import ByteLanguageModeling, ByteLanguageModelingConfig


def task_for(folder, **options) -> ByteLanguageModeling:
    windows = {"context_bytes": 7, "scored_bytes": 30}
    return ByteLanguageModeling.setup_task(
        ByteLanguageModelingConfig(data=str(folder), seed=1, train_subset="train", **windows | options)
    )


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (b"", {}, "train: the file is empty"),
        (
            b"0123456789",
            {},
            "10 bytes are too short for one window of --context-bytes 7 and --scored-bytes 30; give 37",
        ),
        (None, {}, "train: no such file; 'fairseq-bbpe lm split' makes"),
        (bytes(99), {"context_bytes": 0}, "--context-bytes 0: the first scored byte"),
        (bytes(99), {"scored_bytes": 0}, "--scored-bytes 0: score at least one byte"),
        (bytes(99), {"auxiliary_share": 1.0}, "--auxiliary-share must lie between 0 and 1, got 1.0"),
        (bytes(99), {"add_bos_token": True}, "--add-bos-token: a file of bytes has no sentences"),
    ],
)
def test_what_cannot_be_trained_on_is_told(train, options, message, tmp_path):
    if train is not None:
        (tmp_path / "train").write_bytes(train)
    with pytest.raises(UserError, match=re.escape(message)):
        task_for(tmp_path, **options).load_dataset("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"kernel": 0}, "--kernel 0: must be at least 1"), ({"dilations": "1,0"}, "--dilations 0: must be at least 1")],
)
def test_impossible_blocks_are_told_by_their_flags(options, message, tmp_path):
    (tmp_path / "train").write_bytes(bytes(99))
    with pytest.raises(UserError, match=re.escape(message)):
        ByteNetLM.build_model(ByteNetLMConfig(channels=2, **options), task_for(tmp_path))


@pytest.mark.parametrize("smoothing", [0.1, 0.0])
def test_a_loss_that_is_no_bits_is_refused(smoothing, tmp_path):
    with pytest.raises(UserError, match=r"^label smoothing: its loss is not in bits/byte"):
        task_for(tmp_path).build_criterion(OmegaConf.create({"_name": "cross_entropy", "label_smoothing": smoothing}))


def test_context_that_the_model_cannot_see_is_told(tmp_path, caplog):
    (tmp_path / "train").write_bytes(bytes(99))
    task = task_for(tmp_path, context_bytes=20)
    task.model = ByteNetLM(ByteNetLMDecoder(ByteNetLMConfig(channels=2, sets=1, dilations="1,2"), task.dictionary))
    with caplog.at_level("INFO"):
        task.load_dataset("train")
    assert "the receptive field is 7 bytes; 13 bytes of context are unused" in caplog.text


def test_what_would_end_training_at_its_first_validation_is_told_before(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / split).write_bytes(bytes(99))
    validation = {"valid_subset": "valid,train", "disable_validation": False, "max_tokens_valid": 35}
    task = task_for(tmp_path, **validation)
    # Of a window of 7 and 30 bytes, the last is only predicted.
    with pytest.raises(UserError, match=r"^--max-tokens-valid 35 .* give --max-tokens-valid 36, or a smaller --eval"):
        task.load_dataset("valid")
    with pytest.raises(UserError, match=r"^--valid-subset valid,train: training draws windows at random"):
        task.load_dataset("train")
    task_for(tmp_path, **validation | {"max_tokens_valid": 36}).load_dataset("valid")
    disabled = task_for(tmp_path, **validation | {"disable_validation": True})
    disabled.load_dataset("valid")
    disabled.load_dataset("train")


def test_a_task_of_a_checkpoint_that_did_not_know_these_options_reads_its_files(tmp_path):
    (tmp_path / "valid").write_bytes(bytes(99))
    saved = {"_name": "byte_language_modeling", "data": str(tmp_path), "seed": 1, "train_subset": "train"}
    task = tasks.setup_task(OmegaConf.create(saved), from_checkpoint=True)
    task.load_dataset("valid")
    assert len(task.dataset("valid"))
