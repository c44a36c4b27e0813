"""The vocabulary of fairseq's own byte_level_bpe example, to compare with: its symbols for bytes, and BPE on them.

Its symbols are of several Unicode scripts, across which sentencepiece never merges: many characters stay in parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sentencepiece

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.learning import train
from fairseq_bbpe.text.recovery import recover


def _byte_utils():
    try:
        from fairseq.data.encoders import byte_utils
    except ImportError:
        raise UserError("fairseq is not installed in this Python: 'bash scripts/setup.sh' installs it") from None
    return byte_utils


class FairseqVocabulary:
    """BPE on fairseq's `byte_encode`; `size` counts sentencepiece's three meta pieces, as it does in the example."""

    def __init__(self, model: bytes):
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._bytes = _byte_utils()
        self.pieces = [self._processor.id_to_piece(i) for i in range(3, len(self._processor))]

    @classmethod
    def learn(cls, lines: Iterable[bytes], size: int, *, workers: int = 1) -> FairseqVocabulary:
        """Learn as fairseq's example does, but for lines above 4,192 bytes, which it skips.

        Raises `UserError` where the text does not support `size` pieces.
        """
        encode = _byte_utils().byte_encode
        sentences = (encode(recover(line, "replace")) for line in lines)
        return cls(train(sentences, size, own_pieces=0, workers=workers, verbose=False, model_type="bpe"))

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces."""
        symbols = [self._bytes.byte_encode(recover(line, "replace")) for line in lines]
        return [" ".join(p) for p in self._processor.encode(symbols, out_type=str, num_threads=workers)]

    def spell(self, piece: str) -> bytes:
        """The bytes of one piece."""
        table, symbols = self._bytes.BCHAR_TO_BYTE, piece.replace(self._bytes.SPACE_ESCAPE, self._bytes.SPACE)
        return b"".join(bytes([table[symbol]]) if symbol in table else symbol.encode() for symbol in symbols)

    def dictionary_lines(self) -> Iterator[str]:
        """Yield fairseq's dict.txt, ``piece count`` a line; bytes that training did not show are not in it."""
        return (f"{piece} 1\n" for piece in self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)
