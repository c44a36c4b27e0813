"""The paper's two baselines, vocabularies over characters: "char" and "bpe", for fairseq's own `--bpe sentencepiece`.

They see the text that BBPE sees, for references are scored as they are: nothing is normalised, with two exceptions that
fairseq forces, since it splits a sentence into pieces at any Unicode white space: each such character becomes a space,
and sentencepiece joins runs of them. What is not valid UTF-8 becomes U+FFFD.
"""

import re
from collections.abc import Iterable, Iterator

import sentencepiece

from fairseq_bbpe.text.learning import train
from fairseq_bbpe.text.recovery import recover

_WHITE_SPACE = re.compile(r"\s")

# fairseq's dictionary brings its own of these.
_META_PIECES = 3


def characters_of(line: bytes) -> str:
    """Read a line as fairseq's reader of pieces will see its characters.

    >>> characters_of("全角　\\u2028空白".encode() + b"\\xe7")
    '全角  空白�'
    """
    return _WHITE_SPACE.sub(" ", recover(line, "replace"))


class CharacterVocabulary:
    """A sentencepiece model over characters, with the methods of `Vocabulary` that preparing data needs."""

    def __init__(self, model: bytes):
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.pieces = [self._processor.id_to_piece(i) for i in range(_META_PIECES, len(self._processor))]

    @classmethod
    def learn(cls, lines: Iterable[bytes], size: int | None, *, workers: int = 1) -> "CharacterVocabulary":
        """Learn BPE of `size` pieces, or (None) a vocabulary of all the characters in `lines`.

        Raises `UserError` where `size` is below the number of characters, `learning.TooManyPieces` where the text does
        not support it.

        >>> CharacterVocabulary.learn([b"abba"], None).encode_lines([b"ab  ba"])
        ['▁ a b ▁ b a']
        """
        if size is None:
            size = 1  # sentencepiece ignores it for all characters
            options = {"model_type": "char", "use_all_vocab": True}
        else:
            options = {"model_type": "bpe"}
        return cls(
            train(map(characters_of, lines), size, own_pieces=_META_PIECES, workers=workers, verbose=False, **options)
        )

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces; fairseq takes what was not learned for <unk>."""
        segmented = self._processor.encode([characters_of(line) for line in lines], out_type=str, num_threads=workers)
        return [" ".join(pieces) for pieces in segmented]

    def dictionary_lines(self) -> Iterator[str]:
        """Yield fairseq's dict.txt, ``piece count`` a line; every count is 1."""
        return (f"{piece} 1\n" for piece in self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)
