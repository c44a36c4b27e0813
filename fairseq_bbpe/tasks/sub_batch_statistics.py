"""What tasks that train with Sub-Batch Normalisation share: statistics that belong to the weights beside them."""

from typing import Any

from fairseq import utils

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm, estimate_statistics


class SubBatchStatistics:
    """Estimates Sub-BN's statistics anew with the weights of the moment, before each validation and each checkpoint.

    Put it before the task's own class among the bases. The training data set's `batches_for_statistics(at_most)` gives
    the model's arguments for the same batches every time, so the statistics depend on the weights alone, and every
    process arrives at the same ones without a word to the others.
    """

    # Of the task that this class is mixed into.
    cfg: Any
    datasets: dict

    def build_model(self, cfg, from_checkpoint=False):
        """As the task's; raises UserError for fewer than one batch to estimate from, or for `--store-ema`.

        Statistics belong to weights; an average of statistics does not belong to the average of their weights.
        """
        if self.cfg.statistics_batches < 1:
            raise UserError(f"--statistics-batches {self.cfg.statistics_batches}: at least one batch is needed")
        self._model = super().build_model(cfg, from_checkpoint)
        if not from_checkpoint and self.cfg.store_ema and self._has_statistics():
            raise UserError("--store-ema: not with --norm sub_batch, whose statistics cannot be averaged: leave it out")
        self._outdated = True
        return self._model

    def train_step(self, *arguments, **options):
        """As the task's; the weights are about to change."""
        self._outdated = True
        return super().train_step(*arguments, **options)

    def begin_valid_epoch(self, epoch, model):
        """As the task's, under statistics of the weights that are validated."""
        super().begin_valid_epoch(epoch, model)
        self._estimate()

    def state_dict(self):
        """As the task's. fairseq's trainer asks for it as it collects a checkpoint: the last moment to change one."""
        self._estimate()
        return super().state_dict()

    def _estimate(self) -> None:
        dataset = self.datasets.get(self.cfg.train_subset)
        if self._outdated and dataset is not None and self._has_statistics():
            device = next(self._model.parameters()).device
            batches = dataset.batches_for_statistics(self.cfg.statistics_batches)
            estimate_statistics(
                self._model, (utils.move_to_cuda(b, device) if device.type == "cuda" else b for b in batches)
            )
        self._outdated = False

    def _has_statistics(self) -> bool:
        return any(isinstance(module, SubBatchNorm) for module in self._model.modules())
