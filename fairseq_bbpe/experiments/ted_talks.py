"""The TED talks archive of Ye et al. (2018) as a corpus of many languages into English.

The archive has one tab-separated table for each of train, dev and test: its first line names a language for each
column, its other lines hold one sentence in every language into which the talk was translated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import evenly

TABLES = ("train", "dev", "test")  # of the archive
MISSING = ("__NULL__", "_ _ NULL _ _")  # what it has where nobody translated
Pair = tuple[str, str, str]


def read_talks(archive: Path, table: str, languages: Sequence[str]) -> Iterator[Pair]:
    """Source, English and language of each sentence that has both, language after language.

    Raises:
        UserError: the archive lacks the table, or the table a language.
    """
    path = archive / f"all_talks_{table}.tsv"
    if not path.is_file():
        raise UserError(f"{archive}: no {path.name} there: unpack ted_talks.tar.gz into it")
    # Lines end at a newline alone: a few of these sentences have other separators in them.
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        header = next(lines, "").rstrip("\n").split("\t")
        unknown = [language for language in (*languages, "en") if language not in header]
        if unknown:
            raise UserError(f"{path}: no column for {' '.join(unknown)}: its first line names {' '.join(header)}")
        columns = [header.index(language) for language in languages]
        english = header.index("en")
        found: list[list[tuple[str, str]]] = [[] for _ in languages]
        for line in lines:
            cells = [_clean(cell) for cell in line.rstrip("\n").split("\t")]
            cells += [""] * (len(header) - len(cells))
            for pairs, column in zip(found, columns, strict=True):
                if cells[english] and cells[column]:
                    pairs.append((cells[column], cells[english]))
    for language, pairs in zip(languages, found, strict=True):
        yield from ((source, target, language) for source, target in pairs)


def _clean(cell: str) -> str:
    """A cell as one line; empty where there is no translation."""
    return "" if any(mark in cell for mark in MISSING) else " ".join(cell.split())


def sample(pairs: Sequence[Pair], at_most: int | None) -> list[Pair]:
    """So many of the pairs at most, evenly: each language keeps its share, and every run keeps the same."""
    return list(pairs) if at_most is None else list(evenly(iter(pairs), len(pairs), at_most))
