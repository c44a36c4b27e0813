"""The vocabularies that the tables compare: named by a specification, learned once on one text, kept in a folder."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fairseq_bbpe.analysis.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, symbols_to_bytes
from fairseq_bbpe.text.characters import CharacterVocabulary
from fairseq_bbpe.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Specification:
    """What to learn (``byte``, ``bbpe:N``, ``char``, ``bpe:N``, ``fairseq:N``) or which .model to take."""

    name: str
    kind: str
    size: int | None = None
    path: Path | None = None

    @classmethod
    def parse(cls, text: str, models: bool = True) -> Specification:
        """Read one, which may be a .model only with `models`; raises `UserError` for what is none.

        >>> Specification.parse("bbpe:4096")
        Specification(name='bbpe:4096', kind='bbpe', size=4096, path=None)
        """
        if models and text.endswith(".model"):
            return cls(Path(text).stem, "model", path=Path(text))
        if text in ("byte", "char"):
            return cls(text, text, 256 if text == "byte" else None)
        sized = re.fullmatch(r"(bbpe|bpe|fairseq):([0-9]+)", text, re.ASCII)
        if not sized:
            forms = "byte, bbpe:N, char, bpe:N, fairseq:N or a .model file"
            if not models:
                forms = "byte, bbpe:N, char, bpe:N or fairseq:N, such as bbpe:4096"
            raise UserError(f"--vocab {text}: give {forms}")
        kind, digits = sized.groups()
        if len(digits) > 18:
            raise UserError(f"--vocab {text}: no text supports so many pieces: give less, such as {kind}:4096")
        size = int(digits)
        if kind == "bbpe" and size < 256:
            raise UserError(f"--vocab {text}: a byte-level vocabulary holds all 256 bytes, so give bbpe:256 or more")
        return cls(text, kind, size)

    @classmethod
    def parse_all(cls, texts: Iterable[str]) -> list[Specification]:
        """Read several; raises `UserError` where two would have the same name in a table."""
        found = [cls.parse(text) for text in texts]
        for number, specification in enumerate(found):
            if specification.name in {earlier.name for earlier in found[:number]}:
                raise UserError(f"--vocab: {specification.name} is given twice: give each vocabulary once")
        return found


@dataclass(frozen=True)
class Segmenter:
    """A vocabulary of any kind: `encode_lines`, its `pieces`, and `spell`, the bytes that a piece stands for."""

    name: str
    encode_lines: Callable[..., list[str]]
    pieces: list[str]
    spell: Callable[[str], bytes]

    @classmethod
    def of(cls, name: str, vocabulary) -> Segmenter:
        """Take any of the vocabularies' classes."""
        if isinstance(vocabulary, Vocabulary):
            spell = symbols_to_bytes
        elif isinstance(vocabulary, CharacterVocabulary):
            spell = _spell_characters
        else:
            spell = vocabulary.spell
        return cls(name, vocabulary.encode_lines, vocabulary.pieces, spell)


def _spell_characters(piece: str) -> bytes:
    return piece.replace(SPACE, " ").encode()


class Library:
    """The vocabularies of one text; with a `folder`, what was learned stays there and is not learned again.

    Raises:
        UserError: the folder cannot be made, or belongs to another text.
    """

    def __init__(self, text: ParallelText, folder: str | Path | None = None, workers: int = 1):
        self.text, self.workers = text, workers
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            self._claim(self.folder)

    def _claim(self, folder: Path) -> None:
        owner, mark = folder / "text", self.text.fingerprint() + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not owner.exists():
                _write(owner, mark.encode())
            learned_from = owner.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"--models {folder}: {error.strerror}: give a folder that is yours") from None
        if learned_from != mark:
            raise UserError(f"--models {folder}: holds vocabularies of another text: give another folder")

    def each(self, specifications: Iterable[Specification]) -> Iterator[Segmenter]:
        """Learn or load one after the other; what the text does not support is left out, with a note on stderr."""
        for specification in specifications:
            found = self.find(specification)
            if found is not None:
                yield found

    def find(self, specification: Specification) -> Segmenter | None:
        """Learn or load one; None where the text does not support it.

        Raises:
            UserError: its file is missing or no model.
        """
        name = specification.name
        if specification.path is not None:
            return Segmenter.of(name, _load(specification.path))
        kept = None if self.folder is None else self.folder / f"{name.replace(':', '-')}.model"
        if kept is not None and kept.exists():
            return Segmenter.of(name, _load(kept, specification.kind))
        print(f"fairseq-bbpe stats: learning {name}", file=sys.stderr)
        try:
            vocabulary = learn(specification.kind, self.text.both_sides(), specification.size, self.workers)
        except UserError as error:
            print(f"fairseq-bbpe stats: {name} is left out: {error}", file=sys.stderr)
            return None
        if kept is not None:
            _write(kept, vocabulary.model)
        return Segmenter.of(name, vocabulary)


def learn(kind: str, lines: Iterable[bytes], size: int | None, workers: int):
    """Learn a vocabulary of a kind of `Specification`; raises `UserError` where the text does not support it."""
    return _class_of(kind).learn(lines, size, workers=workers)


def _class_of(kind: str):
    if kind in ("byte", "bbpe"):
        return Vocabulary
    return FairseqVocabulary if kind == "fairseq" else CharacterVocabulary


def _load(path: Path, kind: str = "model"):
    """Read a model of this kind; of any but fairseq's where the kind is ``model``."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: give a .model file") from None
    if kind in ("byte", "bbpe"):
        return Vocabulary(model, str(path))
    try:
        if kind == "model":
            try:
                return Vocabulary(model, str(path))
            except UserError:
                return CharacterVocabulary(model)  # as `prepare --vocab char` and bpe:N keep it
        return _class_of(kind)(model)
    except RuntimeError:
        raise UserError(f"{path}: not a sentencepiece model: give one, or remove it to have it learned") from None


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)
