"""What all kinds of vocabulary share: a sentencepiece model in a .model file, and fairseq's dict.txt made from it."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

import sentencepiece

from fairseq_bbpe.errors import UserError

Kind = TypeVar("Kind", bound="SubwordVocabulary")

# fairseq's own symbols, before all pieces. A piece so spelled would be taken for one unless dict.txt says otherwise.
FAIRSEQ_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


class SubwordVocabulary(ABC):
    """Segments lines into the pieces of a sentencepiece model.

    Attributes:
        model: the sentencepiece model, serialised.
        name: what tables and errors call it.
        pieces: all that it can produce, in sentencepiece's order.

    Raises:
        UserError: `model` is no sentencepiece model.
    """

    FILE: ClassVar[str]
    """Name of the .model file that `prepare` keeps beside the data."""

    def __init__(self, model: bytes, name: str = "the model"):
        self.model, self.name = model, name
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise UserError(
                f"{name}: not a sentencepiece model: give a .model file written by 'fairseq-bbpe learn' or 'prepare'"
            ) from None
        self._all_pieces = [self._processor.id_to_piece(i) for i in range(len(self._processor))]
        # fairseq's dictionary has its own symbols for what is unknown or ends a sentence.
        own = [
            i
            for i in range(len(self._all_pieces))
            if not self._processor.is_unknown(i) and not self._processor.is_control(i)
        ]
        self.pieces = [self._all_pieces[i] for i in own]

    @classmethod
    @abstractmethod
    def learn(
        cls, lines: Iterable[bytes], size: int | None, *, sample: int = 0, workers: int = 1, verbose: bool = False
    ) -> SubwordVocabulary:
        """Learn `size` pieces from `lines`, or from `sample` of them drawn evenly (0: all)."""

    @abstractmethod
    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces."""

    @abstractmethod
    def spell(self, piece: str) -> bytes:
        """The bytes that a piece stands for."""

    @staticmethod
    @abstractmethod
    def fairseq_flags(path: str | Path) -> list[str]:
        """The flags with which fairseq-generate decodes the pieces of the model at `path`: `--bpe` and its option."""

    @staticmethod
    @abstractmethod
    def validation_flags() -> list[str]:
        """The flags with which fairseq-train scores BLEU on text; none where fairseq cannot."""

    @staticmethod
    def task_flags() -> list[str]:
        """The flags with which fairseq trains on the pieces: none, for its own task knows all that is known of them."""
        return []

    @classmethod
    def load(cls: type[Kind], path: str | os.PathLike) -> Kind:
        """Read a .model file; raises `UserError` where it is missing or of another kind."""
        return cls(read_model(path), name=str(path))

    def save(self, prefix: str | os.PathLike) -> tuple[Path, Path]:
        """Write ``prefix.model`` and ``prefix.dict.txt``, neither ever half-written, and return their paths."""
        model, dictionary = Path(f"{prefix}.model"), Path(f"{prefix}.dict.txt")
        try:
            with tempfile.TemporaryDirectory(prefix=".fairseq-bbpe-", dir=model.parent) as folder:
                staged_model, staged_dictionary = Path(folder, "model"), Path(folder, "dict.txt")
                staged_model.write_bytes(self.model)
                staged_dictionary.write_text("".join(self.dictionary_lines()), encoding="utf-8", newline="\n")
                os.replace(staged_model, model)
                os.replace(staged_dictionary, dictionary)
        except OSError as error:
            raise UserError(f"{model}: {error.strerror}: give a destination that can be written") from None
        return model, dictionary

    def dictionary_lines(self) -> Iterator[str]:
        """Yield fairseq's dict.txt, ``piece count`` a line, in sentencepiece's order; every count is 1.

        Raises:
            UserError: a piece holds the end of a line, as those of a model learned elsewhere may.
        """
        for piece in self.pieces:
            if "\n" in piece or "\r" in piece:
                raise UserError(f"{self.name}: the piece {piece!r} would break a line of dict.txt: give another model")
            yield f"{piece} 1 #fairseq:overwrite\n" if piece in FAIRSEQ_SPECIALS else f"{piece} 1\n"

    def __len__(self) -> int:
        return len(self.pieces)


def read_model(path: str | os.PathLike) -> bytes:
    """The bytes of a .model file; raises `UserError` where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: give a .model file written by 'fairseq-bbpe learn'") from None
