"""The text room in fairseq's string protocol: `--bpe bbpe`, and byte recovery as the tokenizer `bbpe_recovery`."""

from dataclasses import dataclass, field

from fairseq.data.encoders import register_bpe, register_tokenizer
from fairseq.dataclass import FairseqDataclass
from omegaconf import MISSING, OmegaConf

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.recovery import pieces_to_text
from fairseq_bbpe.vocabularies.byte_level import Vocabulary


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
        if OmegaConf.is_missing(cfg, "bbpe_model") or cfg.bbpe_model == MISSING:
            raise UserError("--bpe bbpe: give the vocabulary too: --bbpe-model PATH (a .model file)")
        self.path = cfg.bbpe_model
        self.vocabulary = Vocabulary.load(self.path)

    def encode(self, x: str) -> str:
        """Segment a text into pieces joined by spaces."""
        return self.vocabulary.encode(x)

    @staticmethod
    def decode(x: str) -> str:
        """Recover the text of pieces joined by spaces."""
        return pieces_to_text(x)

    def check_fits(self, dictionary, name: str) -> None:
        """Raise `UserError` unless `dictionary` (fairseq's) holds the vocabulary's pieces and no others.

        fairseq may have filled the dictionary up with `madeupword`s, to a length that suits a GPU.
        """
        symbols = {symbol for symbol in dictionary.symbols[dictionary.nspecial :] if "madeupword" not in symbol}
        pieces = {piece for piece in self.vocabulary.pieces if "madeupword" not in piece}
        if symbols != pieces:
            odd = min(symbols ^ pieces)
            raise UserError(
                f"--bbpe-model {self.path}: its {len(self.vocabulary)} pieces are not the {name} dictionary's "
                f"({odd!r} is in one alone): give the .model that lies beside the data"
            )


def check_fits(bpe, source_dictionary, target_dictionary) -> None:
    """Raise `UserError` where `bpe` is a `BBPE` whose pieces are not those of both dictionaries; any other passes."""
    if isinstance(bpe, BBPE):
        bpe.check_fits(source_dictionary, "source")
        bpe.check_fits(target_dictionary, "target")


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
        pass

    @staticmethod
    def encode(x: str) -> str:
        """Return `x`: whatever splits the text comes before the pieces."""
        return x

    @staticmethod
    def decode(x: str) -> str:
        """Recover the text of pieces joined by spaces."""
        return pieces_to_text(x)
