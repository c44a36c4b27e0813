"""The paper's two baselines, vocabularies over characters: "char" and "bpe", for fairseq's own `--bpe sentencepiece`.

They see the text that BBPE sees, for references are scored as they are: nothing is normalised, with two exceptions that
fairseq forces, since it splits a sentence into pieces at any Unicode white space: each such character becomes a space,
and sentencepiece joins runs of them. What is not valid UTF-8 becomes U+FFFD. Three characters sentencepiece keeps for
itself: it reads U+2581 as a space, and never learns NUL and U+2585.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fairseq_bbpe.text.alphabet import SPACE
from fairseq_bbpe.text.recovery import recover
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.training import sampled, train

_WHITE_SPACE = re.compile(r"\s")

# sentencepiece's <unk>, <s> and </s>.
_META_PIECES = 3

_RESERVED = "\u2585"


def characters_of(line: bytes) -> str:
    """Read a line as fairseq's reader of pieces will see its characters.

    >>> characters_of("全角　\\u2028空白".encode() + b"\\xe7")
    '全角  空白�'
    """
    return _WHITE_SPACE.sub(" ", recover(line, "replace"))


class CharacterVocabulary(SubwordVocabulary):
    """A sentencepiece model over characters."""

    FILE = "sentencepiece.bpe.model"

    @classmethod
    def learn(
        cls, lines: Iterable[bytes], size: int | None, *, sample: int = 0, workers: int = 1, verbose: bool = False
    ) -> CharacterVocabulary:
        """Learn BPE of `size` pieces, or (None) a vocabulary of all that `lines` hold and it can learn.

        Raises `UserError` where `size` is below the number of characters, `training.TooManyPieces` where the text does
        not support it.

        >>> CharacterVocabulary.learn([b"abba"], None).encode_lines([b"ab  ba"])
        ['▁ a b ▁ b a']
        """
        if sample:
            lines = sampled(lines, sample)
        if size is None:
            size = 1  # sentencepiece ignores it for all characters
            options = {"model_type": "char", "use_all_vocab": True}
        else:
            options = {"model_type": "bpe"}
        # sentencepiece skips a line that has the reserved character.
        sentences = (characters_of(line).replace(_RESERVED, " ") for line in lines)
        return cls(train(sentences, size, own_pieces=_META_PIECES, workers=workers, verbose=verbose, **options))

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces; fairseq takes what was not learned for <unk>."""
        segmented = self._processor.encode([characters_of(line) for line in lines], out_type=str, num_threads=workers)
        return [" ".join(pieces) for pieces in segmented]

    def spell(self, piece: str) -> bytes:
        """The bytes of one piece."""
        return piece.replace(SPACE, " ").encode()

    @staticmethod
    def fairseq_flags(path: str | Path) -> list[str]:
        """fairseq's own `--bpe sentencepiece`."""
        return ["--bpe", "sentencepiece", "--sentencepiece-model", str(path)]

    @staticmethod
    def validation_flags() -> list[str]:
        """`--eval-bleu` on pieces joined into text."""
        return ["--eval-bleu", "--eval-bleu-remove-bpe", "sentencepiece"]
