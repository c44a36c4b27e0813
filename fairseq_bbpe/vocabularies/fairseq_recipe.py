"""The vocabulary of fairseq's own byte_level_bpe example, to compare with: its symbols for bytes, and BPE on them.

Its symbols are of several Unicode scripts, across which sentencepiece never merges: many characters stay in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fairseq_bbpe.text.alphabet import SPACE
from fairseq_bbpe.text.recovery import recover
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.training import sampled, train

# fairseq.data.encoders.byte_utils: a byte that is a printable Latin-1 character is written as that character, and any
# other as the character 256 above it. A test compares this with fairseq's own table.
_PRINTABLE = {*range(0x20, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
SYMBOLS = "".join(chr(byte if byte in _PRINTABLE else 0x100 + byte) for byte in range(0x100))
_BYTE_OF = {symbol: byte for byte, symbol in enumerate(SYMBOLS)}
_WHITE_SPACE = re.compile(r"\s+")


def byte_encode(line: bytes) -> str:
    """Write a line as fairseq's example does: runs of white space as one space, then each byte as its symbol.

    >>> byte_encode("a  é".encode())
    'a Ã©'
    """
    return "".join(map(SYMBOLS.__getitem__, _WHITE_SPACE.sub(" ", recover(line, "replace")).encode()))


class FairseqVocabulary(SubwordVocabulary):
    """BPE on fairseq's `byte_encode`; `size` counts sentencepiece's three meta pieces, as it does in the example.

    Bytes that training did not show are not in it.
    """

    FILE = "byte_bpe.model"

    @classmethod
    def learn(
        cls, lines: Iterable[bytes], size: int | None, *, sample: int = 0, workers: int = 1, verbose: bool = False
    ) -> FairseqVocabulary:
        """Learn as fairseq's example does, but for lines above 4,192 bytes, which it skips.

        Raises `training.TooManyPieces` where the text does not support `size` pieces.
        """
        assert size is not None  # its specification has one
        if sample:
            lines = sampled(lines, sample)
        return cls(
            train(map(byte_encode, lines), size, own_pieces=0, workers=workers, verbose=verbose, model_type="bpe")
        )

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces."""
        segmented = self._processor.encode(list(map(byte_encode, lines)), out_type=str, num_threads=workers)
        return [" ".join(pieces) for pieces in segmented]

    def spell(self, piece: str) -> bytes:
        """The bytes of one piece."""
        symbols = piece.replace(SPACE, " ")
        return b"".join(bytes([_BYTE_OF[symbol]]) if symbol in _BYTE_OF else symbol.encode() for symbol in symbols)

    @staticmethod
    def fairseq_flags(path: str | Path) -> list[str]:
        """fairseq's own `--bpe byte_bpe`."""
        return ["--bpe", "byte_bpe", "--sentencepiece-model-path", str(path)]

    @staticmethod
    def validation_flags() -> list[str]:
        """None: fairseq's `--eval-bleu` cannot decode its byte_bpe."""
        return []
