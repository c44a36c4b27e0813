"""fairseq's translation task for Sub-Batch Normalisation: its batches in training, its intervals in generation."""

from dataclasses import dataclass, field

import torch
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_bbpe.data.sub_batches import SubBatchDataset
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm
from fairseq_bbpe.search.intervals import IntervalSearch

OTHER_SEARCHES = ("sampling", "match_source_len", "constraints", "print_alignment", "score_reference")


@dataclass
class SubBatchTranslationConfig(TranslationConfig):
    """The translation task's options, and how a batch is split."""

    auxiliary_share: float = field(
        default=0.5, metadata={"help": "share of a batch that only provides statistics (Section 3.5)"}
    )


@register_task("translation_sub_batch", dataclass=SubBatchTranslationConfig)
class SubBatchTranslation(TranslationTask):
    """Translation with a model that was built with `--norm sub_batch`."""

    registered_as = "translation_sub_batch"

    def build_model(self, cfg, from_checkpoint=False):
        """As fairseq's; raises UserError for a model without Sub-Batch Normalisation."""
        model = super().build_model(cfg, from_checkpoint)
        self.buckets = self._buckets(model)
        return model

    @staticmethod
    def _buckets(model):
        buckets = getattr(model, "buckets", None)
        if buckets is None:
            raise UserError(
                f"--task translation_sub_batch needs --norm sub_batch, got a {type(model).__name__} without it; "
                "use --task translation"
            )
        return buckets

    def load_dataset(self, split, epoch=1, combine=False, **kwargs):
        """As fairseq's, with the training split in buckets and sub-batches."""
        super().load_dataset(split, epoch, combine, **kwargs)
        if split == self.cfg.train_subset:
            dataset = self.datasets[split]
            self.datasets[split] = SubBatchDataset(dataset, self.buckets.width, self.cfg.auxiliary_share)

    def build_generator(self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, **kwargs):
        """Search over target intervals; what is no plain beam search runs under the likeliest interval alone."""
        other = any(getattr(args, option, None) for option in OTHER_SEARCHES)
        other = other or getattr(args, "diverse_beam_groups", -1) > 0 or getattr(args, "diversity_rate", -1) > 0
        if seq_gen_cls is None and not other:
            for model in models:
                self._buckets(model)
            seq_gen_cls = IntervalSearch
        return super().build_generator(models, args, seq_gen_cls, extra_gen_cls_kwargs, **kwargs)

    def begin_valid_epoch(self, epoch, model):
        """Share the running statistics among the processes: each has only seen its own shard's batches."""
        super().begin_valid_epoch(epoch, model)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            share_statistics(model)


@torch.no_grad()
def share_statistics(model) -> None:
    """Average every running statistic over all processes, weighted by the batches behind it.

    The counts become those of a mean process, so that what was shared weighs the same when it is shared again.
    """
    processes = torch.distributed.get_world_size()
    for norm in (module for module in model.modules() if isinstance(module, SubBatchNorm)):
        seen = norm.batches_seen.unsqueeze(1).float()
        total = seen.clone()
        torch.distributed.all_reduce(total)
        for statistic in (norm.running_mean, norm.running_var):
            pooled = statistic * seen
            torch.distributed.all_reduce(pooled)
            statistic.copy_(torch.where(total > 0, pooled / total.clamp(min=1), statistic))
        norm.batches_seen.copy_(torch.ceil(total.squeeze(1) / processes).long())
    if hasattr(model, "buckets"):  # a language model has none
        batches_seen = model.buckets.batches_seen
        torch.distributed.all_reduce(batches_seen)
        batches_seen.copy_(torch.ceil(batches_seen / processes).long())
