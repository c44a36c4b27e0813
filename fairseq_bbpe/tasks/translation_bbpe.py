"""Translation with a byte-level vocabulary: fairseq's translation task, which knows what its pieces are."""

from dataclasses import dataclass

from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_bbpe.bpe import check_fits


@dataclass
class TranslationBBPEConfig(TranslationConfig):
    """The options of fairseq's translation task."""


@register_task("translation_bbpe", dataclass=TranslationBBPEConfig)
class TranslationBBPE(TranslationTask):
    """Translation of any architecture on byte-level pieces."""

    registered_as = "translation_bbpe"

    def build_bpe(self, args):
        """As fairseq's; raises `UserError` where `--bbpe-model` is not the vocabulary of the dictionaries."""
        bpe = super().build_bpe(args)
        check_fits(bpe, self.source_dictionary, self.target_dictionary)
        return bpe
