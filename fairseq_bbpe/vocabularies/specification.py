"""The one grammar of vocabularies: ``byte``, ``bbpe:N``, ``char``, ``bpe:N``, ``fairseq:N``, or a .model file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary, read_model
from fairseq_bbpe.vocabularies.training import TooManyPieces

KINDS: dict[str, type[SubwordVocabulary]] = {
    "byte": Vocabulary,
    "bbpe": Vocabulary,
    "char": CharacterVocabulary,
    "bpe": CharacterVocabulary,
    "fairseq": FairseqVocabulary,
}
FORMS = "byte, bbpe:N, char, bpe:N, fairseq:N or a .model file"


@dataclass(frozen=True)
class Specification:
    """A vocabulary to learn, or (`path`) to take as it is.

    Attributes:
        kind: one of `KINDS`, or ``model`` for a file of any of these.
        size: pieces to learn; None for ``char`` and for a file.
    """

    kind: str
    size: int | None = None
    path: Path | None = None

    @classmethod
    def parse(cls, text: str, flag: str = "--vocab") -> Specification:
        """Read one; raises `UserError`, which names `flag`, for what is none.

        >>> Specification.parse("bbpe:4096")
        Specification(kind='bbpe', size=4096, path=None)
        """
        if text.endswith(".model"):
            return cls.of_file(text)
        if text in ("byte", "char"):
            return cls(text, 256 if text == "byte" else None)
        sized = re.fullmatch(r"(bbpe|bpe|fairseq):([0-9]+)", text, re.ASCII)
        if not sized:
            raise UserError(f"{flag} {text}: give {FORMS}, such as bbpe:4096")
        kind, digits = sized.groups()
        if len(digits) > 18:
            raise UserError(f"{flag} {text}: no text supports so many pieces: give less, such as {kind}:4096")
        size = int(digits)
        if kind == "bbpe" and size < 256:
            raise UserError(f"{flag} {text}: a byte-level vocabulary holds all 256 bytes, so give bbpe:256 or more")
        if not size:
            raise UserError(f"{flag} {text}: a vocabulary of nothing: give more, such as {kind}:4096")
        return cls(kind, size)

    @classmethod
    def of_file(cls, path: str | os.PathLike) -> Specification:
        """A file to take as it is."""
        return cls("model", path=Path(path))

    @classmethod
    def parse_all(cls, texts: Iterable[str]) -> list[Specification]:
        """Read several; raises `UserError` where two would have the same name in a table."""
        found = [cls.parse(text) for text in texts]
        for number, specification in enumerate(found):
            if specification.name in {earlier.name for earlier in found[:number]}:
                raise UserError(f"--vocab: {specification.name} is given twice: give each vocabulary once")
        return found

    @property
    def name(self) -> str:
        """As it was written, or the stem of the file's name."""
        if self.path is not None:
            return self.path.stem
        return self.kind if self.kind in ("byte", "char") else f"{self.kind}:{self.size}"

    def vocabulary(
        self,
        lines: Callable[[], Iterable[bytes]],
        *,
        sample: int = 0,
        workers: int = 1,
        at_most: bool = False,
        verbose: bool = False,
    ) -> SubwordVocabulary:
        """Learn it from `lines()`, or from `sample` of them drawn evenly, or load it.

        Raises `TooManyPieces` where they do not support its size, or with `at_most` learns as many as they do: that
        takes a second pass, for sentencepiece says how many at the end of the first.
        """
        if self.path is not None:
            return load_vocabulary(self.path)
        try:
            vocabulary = KINDS[self.kind].learn(lines(), self.size, sample=sample, workers=workers, verbose=verbose)
        except TooManyPieces as error:
            if not at_most:
                raise
            return replace(self, size=error.largest).vocabulary(lines, sample=sample, workers=workers, verbose=verbose)
        vocabulary.name = self.name
        return vocabulary


def load_vocabulary(path: str | os.PathLike) -> SubwordVocabulary:
    """Read a .model file of any kind; raises `UserError` where it is missing or no sentencepiece model.

    A byte-level model tells itself by its alphabet, and one of fairseq's recipe by its file's name, byte_bpe.model:
    nothing in it differs from a model of characters.
    """
    model = read_model(path)
    if Path(path).name == FairseqVocabulary.FILE:
        return FairseqVocabulary(model, str(path))
    try:
        return Vocabulary(model, str(path))
    except UserError:
        return CharacterVocabulary(model, str(path))
