"""Translation with a byte-level vocabulary: fairseq's translation task, which knows what its pieces are."""

from dataclasses import dataclass, field
from functools import cached_property

from fairseq.dataclass import ChoiceEnum
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from fairseq_bbpe.bpe import check_fits, check_training
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator
from fairseq_bbpe.search.utf8_automaton import PieceAutomaton, dictionary_pieces
from fairseq_bbpe.search.valid_utf8 import keep_valid, set_longest

SWITCH = ("on", "off")


@dataclass
class TranslationBBPEConfig(TranslationConfig):
    """The options of fairseq's translation task, and what its searches may write."""

    valid_utf8: ChoiceEnum(SWITCH) = field(
        default="on",
        metadata={
            "help": "whether generation keeps to hypotheses that are valid UTF-8, where the target dictionary is one "
            "of a byte-level vocabulary (in a YAML file 'off' needs its quotes)"
        },
    )


@register_task("translation_bbpe", dataclass=TranslationBBPEConfig)
class TranslationBBPE(TranslationTask):
    """Translation of any architecture on byte-level pieces."""

    registered_as = "translation_bbpe"

    def build_model(self, cfg, from_checkpoint=False):
        """As fairseq's; raises `UserError` where a dictionary lacks bytes, before it is trained on."""
        check_training(self.source_dictionary, self.target_dictionary, self.cfg.eval_bleu_detok)
        return super().build_model(cfg, from_checkpoint)

    def build_generator(self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, **kwargs):
        """As fairseq's, with a search that writes valid UTF-8 alone; `valid_utf8` in `args` goes before the task's.

        Each sentence's length is bounded by its own source and not by its batch's longest.
        """
        bounded = getattr(args, "match_source_len", None)  # by the source already
        if seq_gen_cls is None and not bounded and not getattr(args, "print_alignment", None):
            seq_gen_cls = LengthBoundedGenerator
        generator = super().build_generator(models, args, seq_gen_cls, extra_gen_cls_kwargs, **kwargs)
        valid = getattr(args, "valid_utf8", None) or self.cfg.valid_utf8
        if valid not in SWITCH:
            raise UserError(f"--valid-utf8 {valid}: give one of {', '.join(SWITCH)}")
        if valid == "on" and self.automaton is not None:
            keep_valid(generator, self.automaton)
        return generator

    def state_dict(self) -> dict:
        """As fairseq's, with the languages, which a checkpoint otherwise lacks where fairseq inferred them."""
        return {**super().state_dict(), "source_lang": self.cfg.source_lang, "target_lang": self.cfg.target_lang}

    def inference_step(self, generator, models, sample, prefix_tokens=None, constraints=None):
        """As fairseq's."""
        set_longest(generator, sample)
        return super().inference_step(generator, models, sample, prefix_tokens, constraints)

    @cached_property
    def automaton(self) -> PieceAutomaton | None:
        """Which target pieces may follow which in valid UTF-8; None where they do not spell bytes."""
        pieces = dictionary_pieces(self.target_dictionary)
        return None if pieces is None else PieceAutomaton(pieces)

    def build_bpe(self, args):
        """As fairseq's; raises `UserError` where `--bbpe-model` is not the vocabulary of the dictionaries."""
        bpe = super().build_bpe(args)
        check_fits(bpe, self.source_dictionary, self.target_dictionary)
        return bpe

    def reduce_metrics(self, logging_outputs, criterion):
        """As fairseq's, with a BLEU of 0 where every hypothesis is empty, as before a model has learned anything.

        fairseq then logs none, and `--best-checkpoint-metric bleu` would end training in a KeyError.
        """
        super().reduce_metrics(logging_outputs, criterion)
        scored = [log for log in logging_outputs if "_bleu_sys_len" in log]
        if scored and not any(log["_bleu_totals_0"] for log in scored):
            metrics.log_scalar("bleu", 0.0)
