"""The vocabularies that the tables compare: learned once on one text, and kept in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.corpus.staging import replacing_file
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.specification import KINDS, Specification


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
        owner, mark = folder / "text", f"{self.text.fingerprint()}\n".encode()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not owner.exists():
                _write(owner, mark)
            learned_from = owner.read_bytes()
        except OSError as error:
            raise UserError(f"--models {folder}: {error.strerror}: give a folder that is yours") from None
        if learned_from != mark:
            raise UserError(f"--models {folder}: holds vocabularies of another text: give another folder")

    def each(self, specifications: Iterable[Specification]) -> Iterator[SubwordVocabulary]:
        """Learn or load one after the other; what the text does not support is left out, with a note on stderr."""
        for specification in specifications:
            found = self.find(specification)
            if found is not None:
                yield found

    def find(self, specification: Specification) -> SubwordVocabulary | None:
        """Learn or load one, with its specification's name; None where the text does not support it.

        Raises:
            UserError: its file is missing or no model.
        """
        vocabulary = self._find(specification)
        if vocabulary is not None:
            vocabulary.name = specification.name
        return vocabulary

    def _find(self, specification: Specification) -> SubwordVocabulary | None:
        name = specification.name
        kept = None if self.folder is None else self.folder / f"{name.replace(':', '-')}.model"
        if specification.path is None and kept is not None and kept.exists():
            try:
                return KINDS[specification.kind].load(kept)
            except UserError as error:
                raise UserError(f"{error}, or remove it to have it learned again") from None
        if specification.path is None:
            print(f"fairseq-bbpe analyze: learning {name}", file=sys.stderr)
        try:
            vocabulary = specification.vocabulary(self.text.both_sides, workers=self.workers)
        except UserError as error:
            if specification.path is not None:
                raise
            print(f"fairseq-bbpe analyze: {name} is left out: {error}", file=sys.stderr)
            return None
        if kept is not None and specification.path is None:
            _write(kept, vocabulary.model)
        return vocabulary


def _write(path: Path, content: bytes) -> None:
    with replacing_file(path) as part:
        part.write_bytes(content)
