"""Translation with a byte-level vocabulary: fairseq's translation task, which knows what its pieces are."""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.dataclass import ChoiceEnum
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from omegaconf import II, OmegaConf

from fairseq_bbpe.bpe import BBPE, BBPEConfig, check_fits, check_training
from fairseq_bbpe.data.bbpe_dropout import ResegmentedPairs
from fairseq_bbpe.data.language_sampling import LanguageSampling
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator
from fairseq_bbpe.search.utf8_automaton import PieceAutomaton, dictionary_pieces
from fairseq_bbpe.search.valid_utf8 import keep_valid, set_longest
from fairseq_bbpe.tasks.splits import refuse_validation_on_training, require_room
from fairseq_bbpe.tasks.trained_pieces import fingerprints, require_pieces, require_pieces_of_start
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.language_balance import copies_of_a_line, read_languages, require_temperature

logger = logging.getLogger(__name__)

SWITCH = ("on", "off")


@dataclass
class TranslationBBPEConfig(TranslationConfig):
    """The options of fairseq's translation task, what its searches may write, and how training text is segmented."""

    valid_utf8: ChoiceEnum(SWITCH) = field(
        default="on",
        metadata={
            "help": "whether generation keeps to hypotheses that are valid UTF-8, where the target dictionary is one "
            "of a byte-level vocabulary (in a YAML file 'off' needs its quotes)"
        },
    )
    bbpe_dropout: float = field(
        default=0.0,
        metadata={
            "help": "probability of leaving a merge out, in training: BPE-dropout (Provilkov et al., 2020, take 0.1); "
            "0 segments the text once"
        },
    )
    bbpe_dropout_sides: ChoiceEnum(["both", "source", "target"]) = field(
        default="both", metadata={"help": "which sides of the training text --bbpe-dropout segments"}
    )
    language_temperature: float = field(
        default=1.0,
        metadata={
            "help": "temperature sampling in training: a language with a share p of the pairs gets one proportional to "
            "p^(1/T) of every epoch; 5 is usual, 1 leaves them as they are; needs --train-languages"
        },
    )
    train_languages: str = field(
        default="",
        metadata={"help": "file with the language of each training pair, a line each, for --language-temperature"},
    )
    seed: int = II("common.seed")
    max_tokens: int | None = II("dataset.max_tokens")
    max_tokens_valid: int | None = II("dataset.max_tokens_valid")
    valid_subset: str = II("dataset.valid_subset")
    disable_validation: bool = II("dataset.disable_validation")
    save_dir: str = II("checkpoint.save_dir")
    restore_file: str = II("checkpoint.restore_file")
    finetune_from_model: Any = field(default=II("checkpoint.finetune_from_model"))  # fairseq takes no `str | None`


@register_task("translation_bbpe", dataclass=TranslationBBPEConfig)
class TranslationBBPE(TranslationTask):
    """Translation of any architecture on byte-level pieces."""

    registered_as = "translation_bbpe"

    def build_model(self, cfg, from_checkpoint=False):
        """As fairseq's; raises `UserError` where a dictionary lacks bytes, or has other pieces than the model that
        training is to begin from, before it is trained on.
        """
        check_training(self.source_dictionary, self.target_dictionary, self.cfg.eval_bleu_detok)
        if not from_checkpoint:
            require_pieces_of_start(self.cfg, self._dictionaries)
        return super().build_model(cfg, from_checkpoint)

    def build_generator(self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, **kwargs):
        """As fairseq's, with a search that writes valid UTF-8 alone; `valid_utf8` in `args` goes before the task's.

        Each sentence's length is bounded by its own source and not by its batch's longest, but under
        `--print-alignment`, whose generator is fairseq's own. Raises `UserError` for that of a model without attention,
        and for options that no search here has.
        """
        _check_search(args)
        if getattr(args, "print_alignment", None):
            for model in models:
                _ask_for_attention(model)
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
        """As fairseq's, with the pieces, and with the languages, which a checkpoint otherwise lacks where fairseq
        inferred them.
        """
        languages = {"source_lang": self.cfg.source_lang, "target_lang": self.cfg.target_lang}
        return {**super().state_dict(), **languages, **fingerprints(self._dictionaries)}

    def load_state_dict(self, state_dict: dict) -> None:
        """As fairseq's, for a model to translate with; raises `UserError` where its pieces are not the data's."""
        require_pieces("the model", state_dict, self._dictionaries, self.cfg.data)
        super().load_state_dict(state_dict)

    @property
    def _dictionaries(self) -> dict[str, Dictionary]:
        return {"source": self.source_dictionary, "target": self.target_dictionary}

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

    def load_dataset(self, split, epoch=1, combine=False, task_cfg=None, **kwargs):
        """As fairseq's; the training split under `--bbpe-dropout` and `--language-temperature`, unless it is read for a
        checkpoint (`task_cfg`).

        Raises:
            UserError: options that cannot be; a validation sentence that is longer than a batch.
        """
        super().load_dataset(split, epoch, combine, task_cfg=task_cfg, **kwargs)
        if task_cfg is not None:
            return
        if split != self.cfg.train_subset:
            require_room(self.cfg, split, self._longest(self.datasets[split]))
            return
        if self.cfg.bbpe_dropout:
            refuse_validation_on_training(self.cfg, "--bbpe-dropout", "segments it anew")
            self.datasets[split] = ResegmentedPairs(
                self.datasets[split],
                self._vocabulary_to_drop().resegment,
                self.cfg.bbpe_dropout,
                sides=self.cfg.bbpe_dropout_sides,
                seed=self.cfg.seed,
                longest=tuple(min(most, self.cfg.max_tokens or most) for most in self.max_positions()),
            )
        if self.cfg.language_temperature != 1:
            refuse_validation_on_training(self.cfg, "--language-temperature", "leaves some of it out")
            self.datasets[split] = self._with_languages_sampled(self.datasets[split])
        elif self.cfg.train_languages:
            logger.warning("--train-languages has no effect: --language-temperature is 1")

    def _longest(self, pairs: LanguagePairDataset) -> int:
        """The longest side of a pair that the model reads, in tokens."""
        lengths = pairs.sizes.reshape(len(pairs), -1)
        read = (lengths <= self.max_positions()[: lengths.shape[1]]).all(axis=1)
        return int(lengths[read].max(initial=0))

    def _with_languages_sampled(self, pairs: LanguagePairDataset) -> LanguageSampling:
        """The pairs under `--language-temperature`; raises `UserError` where their languages are not known."""
        temperature, path = self.cfg.language_temperature, self.cfg.train_languages
        require_temperature(temperature, "--language-temperature")
        if not path:
            raise UserError(
                f"--language-temperature {temperature:g}: give --train-languages FILE, the language of each training "
                "pair, a line each"
            )
        if not Path(path).is_file():
            raise UserError(f"--train-languages {path}: no such file: give one with the language of each training pair")
        languages = list(read_languages(path, "--train-languages"))
        if len(languages) != len(pairs):
            raise UserError(f"--train-languages {path}: has {len(languages)} lines for {len(pairs)} training pairs")
        counts = Counter(languages)
        copies = copies_of_a_line(counts, temperature)
        drawn = ", ".join(f"{name} {count:,} -> {count * copies[name]:,.0f}" for name, count in counts.most_common())
        logger.info(f"language temperature {temperature:g}, pairs of an epoch: {drawn}")
        return LanguageSampling(pairs, languages, copies, self.cfg.seed)

    def _vocabulary_to_drop(self) -> Vocabulary:
        """The vocabulary beside the data; raises `UserError` where it is none whose merges can be left out."""
        if not 0 < self.cfg.bbpe_dropout < 1:
            raise UserError(f"--bbpe-dropout {self.cfg.bbpe_dropout}: give a probability below 1, such as 0.1")
        path = Path(self.cfg.data.split(os.pathsep)[0]) / Vocabulary.FILE
        if not path.is_file():
            raise UserError(f"--bbpe-dropout: {path}: no such file: put the data's byte-level vocabulary there")
        bpe = BBPE(OmegaConf.structured(BBPEConfig(bbpe_model=str(path))))
        check_fits(bpe, self.source_dictionary, self.target_dictionary)
        if len(bpe.vocabulary) == 256:
            raise UserError(f"--bbpe-dropout: {path} has no merges to leave out: leave the flag out")
        return bpe.vocabulary


def _check_search(args) -> None:
    """Raise `UserError` for what would end in a traceback, some of it after the first batch."""
    if getattr(args, "beam", 1) < 1:
        raise UserError(f"--beam {args.beam}: give 1 or more")
    for option in ("print_step", "retain_iter_history"):
        if getattr(args, option, False):
            raise UserError(f"--{option.replace('_', '-')}: of models that edit their output in steps: leave it out")


def _ask_for_attention(model) -> None:
    """Have a model's decoder compute what `--print-alignment` prints, also where it was loaded without that flag."""
    if not getattr(model, "has_attention", True):
        raise UserError(f"--print-alignment: a {type(model).__name__} has no attention to print: leave it out")
    if hasattr(model.decoder, "needs_weights"):
        model.decoder.needs_weights = True
