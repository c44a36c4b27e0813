"""Translation with a byte-level vocabulary: fairseq's translation task, which knows what its pieces are."""

from dataclasses import dataclass

from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_bbpe.bpe import check_fits
from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator


@dataclass
class TranslationBBPEConfig(TranslationConfig):
    """The options of fairseq's translation task."""


@register_task("translation_bbpe", dataclass=TranslationBBPEConfig)
class TranslationBBPE(TranslationTask):
    """Translation of any architecture on byte-level pieces."""

    registered_as = "translation_bbpe"

    def build_generator(self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, **kwargs):
        """As fairseq's, but each sentence's length is bounded by its own source and not by its batch's longest."""
        if seq_gen_cls is None and not getattr(args, "print_alignment", None):
            seq_gen_cls = LengthBoundedGenerator
        return super().build_generator(models, args, seq_gen_cls, extra_gen_cls_kwargs, **kwargs)

    def build_bpe(self, args):
        """As fairseq's; raises `UserError` where `--bbpe-model` is not the vocabulary of the dictionaries."""
        bpe = super().build_bpe(args)
        check_fits(bpe, self.source_dictionary, self.target_dictionary)
        return bpe
