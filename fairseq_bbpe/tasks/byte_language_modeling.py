"""Language modelling on raw files: no dictionary to build, no tokenisation, every byte a symbol, figures per byte."""

import argparse
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fairseq import metrics
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask, register_task
from omegaconf import II, MISSING

from fairseq_bbpe.data.byte_file import ByteFile, byte_dictionary
from fairseq_bbpe.data.byte_windows import EvaluationWindows, TrainingWindows, check_windows
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.tasks.splits import refuse_validation_on_training, require_room
from fairseq_bbpe.tasks.sub_batch_statistics import SubBatchStatistics

logger = logging.getLogger(__name__)


@dataclass
class ByteLanguageModelingConfig(FairseqDataclass):
    """Windows of the paper's first version (Section 5): 315 bytes of context, 200 scored."""

    data: str = field(
        default=MISSING,
        metadata={"help": "folder of the raw files train, valid, test: 'fairseq-bbpe lm split' makes it"},
    )
    context_bytes: int = field(
        default=315,
        metadata={"help": "bytes of context in a training window (second version of the paper: 100)"},
    )
    scored_bytes: int = field(
        default=200,
        metadata={"help": "scored bytes of a training window (second version of the paper: 400)"},
    )
    eval_context_bytes: int = field(
        default=0,
        metadata={
            "help": "bytes of context in validation and fairseq-eval-lm; 0: the model's receptive field, or "
            " --context-bytes where it has none"
        },
    )
    eval_scored_bytes: int = field(
        default=0,
        metadata={
            "help": "bytes scored in one window in validation and fairseq-eval-lm; 0: 1024 with a receptive field, "
            "whose context is the same whatever is scored, or else --scored-bytes"
        },
    )
    auxiliary_share: float = field(
        default=0.5, metadata={"help": "share of a training batch that only gives Sub-BN its statistics (Section 3.5)"}
    )
    statistics_batches: int = field(
        default=16,
        metadata={"help": "batches from which Sub-BN's statistics are estimated before validation and saving"},
    )
    max_target_positions: int = field(
        default=0,
        metadata={"help": "longest window, in bytes, that transformer_lm is built for; 0: what the windows need"},
    )
    # fairseq's transformer_lm takes these two from the task, whatever the task.
    tokens_per_sample: int = II("task.max_target_positions")
    add_bos_token: bool = field(default=False, metadata={"help": argparse.SUPPRESS})
    seed: int = II("common.seed")
    train_subset: str = II("dataset.train_subset")
    valid_subset: str = II("dataset.valid_subset")
    disable_validation: bool = II("dataset.disable_validation")
    max_tokens_valid: int | None = II("dataset.max_tokens_valid")
    store_ema: bool = II("ema.store_ema")


@register_task("byte_language_modeling", dataclass=ByteLanguageModelingConfig)
class ByteLanguageModeling(SubBatchStatistics, FairseqTask):
    """Train and score a language model on files of bytes.

    `loss` in fairseq's logs and in `fairseq-eval-lm` is in bits, and its tokens are the scored bytes, so it is
    bits/byte; training and validation log it as `bits_per_byte` too, to four digits.
    """

    registered_as = "byte_language_modeling"

    def __init__(self, cfg: ByteLanguageModelingConfig) -> None:
        super().__init__(cfg)
        self.dictionary = byte_dictionary()
        self.model: Any = None

    @classmethod
    def setup_task(cls, cfg: ByteLanguageModelingConfig, **kwargs) -> "ByteLanguageModeling":
        """Raises UserError for windows that score nothing, or have no context."""
        check_windows(cfg.context_bytes, cfg.scored_bytes)
        check_windows(cfg.eval_context_bytes or 1, cfg.eval_scored_bytes or 1, "eval-")
        if not 0 < cfg.auxiliary_share < 1:
            raise UserError(f"--auxiliary-share must lie between 0 and 1, got {cfg.auxiliary_share}: half is 0.5")
        if cfg.add_bos_token:
            raise UserError("--add-bos-token: a file of bytes has no sentences to begin; leave it out")
        return cls(cfg)

    @property
    def source_dictionary(self):
        """The 256 bytes after fairseq's special symbols."""
        return self.dictionary

    @property
    def target_dictionary(self):
        """The 256 bytes after fairseq's special symbols."""
        return self.dictionary

    def build_model(self, cfg, from_checkpoint=False):
        """Build the model, and learn how much context it can use."""
        if getattr(cfg, "max_target_positions", None) == 0:
            cfg.max_target_positions = max(self.cfg.context_bytes + self.cfg.scored_bytes, sum(self.eval_window())) - 1
        self.model = super().build_model(cfg, from_checkpoint)
        return self.model

    def build_criterion(self, cfg):
        """As fairseq's; raises UserError for label smoothing: what it adds is no bits/byte.

        At 0 it adds 0 times the log-probability of symbols that are no bytes, minus infinity: not a number.
        """
        if hasattr(cfg, "label_smoothing"):
            raise UserError("label smoothing: its loss is not in bits/byte: give --criterion cross_entropy")
        return super().build_criterion(cfg)

    @property
    def receptive_field(self) -> int | None:
        """Bytes that the model can use for one prediction; None where it sees whole windows, or is not built yet."""
        return getattr(self.model, "receptive_field", None)

    def eval_window(self) -> tuple[int, int]:
        """Bytes of context, and bytes scored, of a window in validation and `fairseq-eval-lm`."""
        field = self.receptive_field
        context = self.cfg.eval_context_bytes or field or self.cfg.context_bytes
        scored = self.cfg.eval_scored_bytes or (1024 if field else self.cfg.scored_bytes)
        return context, scored

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs) -> None:
        """Map the file `split` of the data folder; random windows for training, sliding ones for all else.

        Raises:
            UserError: no such file, an empty one, one shorter than a window, a window longer than a batch.
        """
        path = Path(self.cfg.data) / split
        if split == self.cfg.train_subset:
            refuse_validation_on_training(self.cfg, "training", "draws windows at random")
            self.datasets[split] = self._training_windows(path)
        else:
            self.datasets[split] = self._evaluation_windows(path)
            require_room(self.cfg, split, int(self.datasets[split].sizes.max()), ", or a smaller --eval-scored-bytes")

    def _training_windows(self, path: Path) -> TrainingWindows:
        context, scored = self.cfg.context_bytes, self.cfg.scored_bytes
        windows = TrainingWindows(
            ByteFile(path, context + scored, f"one window of --context-bytes {context} and --scored-bytes {scored}"),
            context,
            scored,
            self.dictionary.pad(),
            seed=self.cfg.seed,
            auxiliary_share=self.cfg.auxiliary_share if getattr(self.model, "needs_auxiliary", False) else 0.0,
            crop=getattr(self.model, "takes_skip", False),
        )
        logger.info(
            f"{path}: {len(windows.file):,} bytes, an epoch of {len(windows):,} windows, each {context} bytes of "
            f"context and {scored} scored{self._unused_context(context)}"
        )
        if windows.crop:
            flops = self.model.training_flops(context + scored - 1, context - 1, windows.auxiliary_share)
            logger.info(f"{flops} FLOP per scored window, {flops / scored:.0f} FLOP per scored byte")
        return windows

    def _evaluation_windows(self, path: Path) -> EvaluationWindows:
        context, scored = self.eval_window()
        file = ByteFile(path, at_least=2, why="scoring: every byte after the first is scored")
        windows = EvaluationWindows(file, context, scored, self.dictionary.pad())
        logger.info(
            f"{path}: {len(file) - 1:,} bytes to score in {len(windows):,} windows, each {context} bytes of context "
            f"and {scored} scored; loss (base 2) is bits/byte{self._unused_context(context)}"
        )
        return windows

    def _unused_context(self, context: int) -> str:
        field = self.receptive_field
        if field is None or context <= field:
            return ""
        return f"; the receptive field is {field} bytes; {context - field} bytes of context are unused"

    def eval_lm_dataloader(
        self, dataset, max_tokens=36000, batch_size=None, max_positions=None, context_window=0, **kwargs
    ):
        """Batches for `fairseq-eval-lm`: every byte after the first once, with all the context allowed.

        Raises:
            UserError: `--context-window`, or windows longer than the model can read.
        """
        if context_window:
            raise UserError(
                f"--context-window {context_window}: here windows slide by themselves; --eval-context-bytes"
            )
        windows = dataset
        if not isinstance(windows, EvaluationWindows):  # of the training split: its file, but not its random windows
            windows = self._evaluation_windows(dataset.file.path)
        longest = int(windows.sizes.max())
        if max_positions is not None and longest > max_positions:
            raise UserError(
                f"--eval-context-bytes and --eval-scored-bytes ask for windows of {longest} columns, but the model "
                f"reads {max_positions} at most: lower them, or train with --max-target-positions {longest}"
            )
        return self.get_batch_iterator(
            windows, max_tokens=max_tokens, max_sentences=batch_size, max_positions=max_positions, **kwargs
        ).next_epoch_itr(shuffle=False)

    def reduce_metrics(self, logging_outputs, criterion) -> None:
        """Log what fairseq logs, and bits/byte."""
        super().reduce_metrics(logging_outputs, criterion)
        scored = sum(log.get("ntokens", 0) for log in logging_outputs)
        if scored:
            # Summed over millions of bytes, 32 bits would round away the fourth digit.
            nats = sum(torch.as_tensor(log["loss"]).double() for log in logging_outputs)
            metrics.log_scalar("bits_per_byte", nats / scored / math.log(2), scored, priority=5, round=4)
