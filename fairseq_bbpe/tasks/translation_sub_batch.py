"""Translation with Sub-Batch Normalisation: its batches in training, its length intervals in generation."""

from dataclasses import dataclass, field

from fairseq.tasks import register_task
from omegaconf import II

from fairseq_bbpe.data.sub_batches import SubBatchDataset
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.intervals import IntervalSearch
from fairseq_bbpe.tasks.splits import refuse_validation_on_training
from fairseq_bbpe.tasks.sub_batch_statistics import SubBatchStatistics
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig

OTHER_SEARCHES = ("sampling", "match_source_len", "constraints", "score_reference")


@dataclass
class SubBatchTranslationConfig(TranslationBBPEConfig):
    """The translation task's options, and those of Sub-Batch Normalisation."""

    auxiliary_share: float = field(
        default=0.5, metadata={"help": "share of a batch that only provides statistics (Section 3.5)"}
    )
    statistics_batches: int = field(
        default=16,
        metadata={
            "help": "training batches of each target interval from which statistics are estimated before validation "
            "and saving"
        },
    )
    smallest_interval_share: float = field(
        default=0.005,
        metadata={
            "help": "generation searches the target intervals that at least this share of the training pairs has whose "
            "source is as long (Section 6)"
        },
    )
    store_ema: bool = II("ema.store_ema")


@register_task("translation_sub_batch", dataclass=SubBatchTranslationConfig)
class SubBatchTranslation(SubBatchStatistics, TranslationBBPE):
    """Translation with a model that was built with `--norm sub_batch`."""

    registered_as = "translation_sub_batch"

    def build_model(self, cfg, from_checkpoint=False):
        """As fairseq's; raises UserError for a model without Sub-Batch Normalisation, or for what moves sentences.

        Sub-batches have an order of sentences of their own, and one length of each, which tells its interval.
        """
        for flag, moves in (
            ("--language-temperature", self.cfg.language_temperature != 1),
            ("--bbpe-dropout", bool(self.cfg.bbpe_dropout)),
        ):
            if moves:
                raise UserError(f"{flag}: not with --task translation_sub_batch: leave it out")
        model = super().build_model(cfg, from_checkpoint)
        self.buckets = self._buckets(model)
        return model

    @staticmethod
    def _buckets(model):
        buckets = getattr(model, "buckets", None)
        if buckets is None:
            raise UserError(
                f"--task translation_sub_batch needs --norm sub_batch, got a {type(model).__name__} without it; "
                "use --task translation_bbpe"
            )
        return buckets

    def load_dataset(self, split, epoch=1, combine=False, task_cfg=None, **kwargs):
        """As fairseq's, with the training split in sub-batches, but for a checkpoint's (`task_cfg`) evaluation."""
        super().load_dataset(split, epoch, combine, task_cfg=task_cfg, **kwargs)
        if split == self.cfg.train_subset and task_cfg is None:
            refuse_validation_on_training(self.cfg, "--norm sub_batch", "takes a part of every batch for statistics")
            self.datasets[split] = SubBatchDataset(self.datasets[split], self.buckets, self.cfg.auxiliary_share)

    def build_generator(self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, **kwargs):
        """Search over target intervals; what is no plain beam search runs under the likeliest interval alone.

        `--score-reference` scores each reference under its own interval.
        """
        other = any(getattr(args, option, None) for option in OTHER_SEARCHES)
        other = other or getattr(args, "diverse_beam_groups", -1) > 0 or getattr(args, "diversity_rate", -1) > -1
        if seq_gen_cls is None and not other:
            for model in models:
                self._buckets(model)
            seq_gen_cls = IntervalSearch
            share = self.cfg.smallest_interval_share
            extra_gen_cls_kwargs = {**(extra_gen_cls_kwargs or {}), "smallest_interval_share": share}
        return super().build_generator(models, args, seq_gen_cls, extra_gen_cls_kwargs, **kwargs)
