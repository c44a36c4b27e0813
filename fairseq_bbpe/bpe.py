"""Registers the `bbpe` BPE and the `bbpe_recovery` tokenizer with fairseq, and checks dictionaries against them."""

import logging
from dataclasses import dataclass, field

from fairseq.data.encoders import register_bpe, register_tokenizer
from fairseq.dataclass import FairseqDataclass
from omegaconf import MISSING, OmegaConf

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS, are_symbols
from fairseq_bbpe.text.recovery import pieces_to_text
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

_logger = logging.getLogger(__name__)


@dataclass
class BBPEConfig(FairseqDataclass):
    """What `--bpe bbpe` asks for."""

    bbpe_model: str = field(
        default=MISSING,
        metadata={
            "help": "the .model file of the byte-level vocabulary; 'fairseq-bbpe prepare' keeps it beside the data"
        },
    )


@register_bpe("bbpe", dataclass=BBPEConfig)
class BBPE:
    """Byte-level subwords: any text -> pieces joined by spaces -> the most valid characters (Eq. 1), on one line."""

    registered_as = "bbpe"

    def __init__(self, cfg):
        # An argparse.Namespace too, as every bpe of fairseq takes.
        missing = OmegaConf.is_config(cfg) and OmegaConf.is_missing(cfg, "bbpe_model")
        self.path = None if missing else getattr(cfg, "bbpe_model", None)
        if self.path in (None, MISSING):
            raise UserError("--bpe bbpe: give the vocabulary too: --bbpe-model PATH (a .model file)")
        self.vocabulary = Vocabulary.load(self.path)

    def encode(self, x: str) -> str:
        """Segment a text into pieces joined by spaces."""
        return self.vocabulary.encode(x)

    @staticmethod
    def decode(x: str) -> str:
        """Recover the text of pieces joined by spaces."""
        return pieces_to_text(x)

    def fits(self, dictionary) -> bool:
        """Whether `dictionary` (fairseq's) holds the vocabulary's pieces and no others."""
        return _pieces(dictionary) == {piece for piece in self.vocabulary.pieces if "madeupword" not in piece}


def _pieces(dictionary) -> set[str]:
    """The pieces of fairseq's dictionary, which may be filled up with `madeupword`s to a length that suits a GPU."""
    return {piece for piece in dictionary.symbols[dictionary.nspecial :] if "madeupword" not in piece}


def check_fits(bpe, source_dictionary, target_dictionary) -> None:
    """Raise `UserError` where `bpe` is a `BBPE` whose pieces are of neither dictionary, or where one lacks bytes.

    A vocabulary may be of one side alone: then a warning says so. Any other bpe passes.
    """
    if not isinstance(bpe, BBPE):
        return
    others = {"source": source_dictionary, "target": target_dictionary}
    for name in [name for name, dictionary in others.items() if bpe.fits(dictionary)]:
        del others[name]
    for name, dictionary in others.items():
        odd = min(_pieces(dictionary) ^ set(bpe.vocabulary.pieces))
        told = f"--bbpe-model {bpe.path}: its {len(bpe.vocabulary)} pieces are not the {name} dictionary's"
        if len(others) == 2:
            raise UserError(
                f"{told} ({odd!r} is in one alone): give the .model that lies beside the data{_incomplete(dictionary)}"
            )
        if _incomplete(dictionary):
            raise UserError(f"{told}{_incomplete(dictionary)}")
        _logger.warning(f"{told}: it serves the other side alone")


def _incomplete(dictionary) -> str:
    """What to say where a dictionary holds byte-level pieces, but not every byte; otherwise nothing."""
    pieces = _pieces(dictionary)
    missing = [byte for byte, symbol in enumerate(SYMBOLS) if symbol not in pieces]
    if not missing or not are_symbols("".join(pieces)) or "".join(pieces).replace(SPACE, "").isascii():
        return ""
    return (
        f"; it lacks {len(missing)} of the 256 bytes (the first: 0x{missing[0]:02X}), as fairseq-preprocess makes it of"
        " the pieces that it sees: give it --srcdict PREFIX.dict.txt, which 'fairseq-bbpe learn' wrote"
    )


def check_training(source_dictionary, target_dictionary, detokenizer: str | None = None) -> None:
    """Raise `UserError` where a dictionary of byte-level pieces lacks bytes, which generation would refuse.

    detokenizer: `--eval-bleu-detok`, which must not recover bytes where the target's pieces are not of bytes.
    """
    for name, dictionary in (("source", source_dictionary), ("target", target_dictionary)):
        if told := _incomplete(dictionary):
            raise UserError(f"the {name} dictionary is byte-level{told}")
    foreign = [piece for piece in _pieces(target_dictionary) if not are_symbols(piece)]
    if detokenizer == BBPERecovery.registered_as and foreign:
        raise UserError(
            f"--eval-bleu-detok {detokenizer}: the target dictionary is not byte-level (it holds {min(foreign)!r}): "
            "give --eval-bleu-remove-bpe sentencepiece instead"
        )


def check_configured(cfg, source_dictionary, target_dictionary) -> None:
    """`check_fits` for the bpe that fairseq's configuration `cfg` asks for, before a command builds it.

    For a model's `prepare_for_inference_`, which all of fairseq's commands call, whatever the task.
    """
    bpe = getattr(cfg, "bpe", None)
    if getattr(bpe, "_name", None) == BBPE.registered_as:
        check_fits(BBPE(bpe), source_dictionary, target_dictionary)


@register_tokenizer("bbpe_recovery")
class BBPERecovery:
    """Byte recovery for `--eval-bleu-detok`: validation BLEU then counts words of real text, not pieces."""

    registered_as = "bbpe_recovery"

    def __init__(self, cfg=None):
        self._passes = False

    @staticmethod
    def encode(x: str) -> str:
        """Return `x`: whatever splits the text comes before the pieces."""
        return x

    def decode(self, x: str) -> str:
        """Recover the text of pieces joined by spaces; pieces that are not of bytes pass as they are, with a warning.

        One that has a character outside the alphabet shows that all are such.
        """
        if not self._passes and not are_symbols(x):
            self._passes = True
            _logger.warning(f"bbpe_recovery: {x[:40]!r} is not made of bytes' symbols: text passes as it is")
        return x if self._passes else pieces_to_text(x)
