#!/usr/bin/env python3
"""Turn the TED talks archive of Ye et al. (2018) into a corpus of many languages into English.

The archive has one tab-separated table for each of train, dev and test: its first line names a language for each
column, its other lines hold one sentence in every language into which the talk was translated. Written into --output:
{train,valid,test}.{src,en,lang}, language after language, aligned line by line.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TextIO

SPLITS = {"train": "train", "valid": "dev", "test": "test"}  # ours: the archive's
SIDES = ("src", "en", "lang")
MISSING = ("__NULL__", "_ _ NULL _ _")  # what the archive has where nobody translated


def columns_of(table: TextIO, languages: list[str], path: Path) -> dict[str, int]:
    """The column of each language and of English, from the table's first line."""
    header = next(table, "").rstrip("\n").split("\t")
    unknown = [language for language in (*languages, "en") if language not in header]
    if unknown:
        sys.exit(f"ted_talks.py: {path}: no column for {' '.join(unknown)}; its first line names {' '.join(header)}")
    return {language: header.index(language) for language in (*languages, "en")}


def clean(cell: str) -> str:
    """A cell as one line; empty where there is no translation."""
    return "" if any(mark in cell for mark in MISSING) else " ".join(cell.split())


def write_split(path: Path, languages: list[str], output: Path, split: str) -> int:
    """Write the three files of a split; returns its number of pairs."""
    pairs = 0
    parts = {language: output / f".{split}.{language}" for language in languages}
    with contextlib.ExitStack() as stack:
        # One reading of the table, a file for each language: the largest table has 250,000 lines of 60 columns.
        written = {language: stack.enter_context(open_text(part, "w")) for language, part in parts.items()}
        table = stack.enter_context(open_text(path))
        columns = columns_of(table, languages, path)
        for line in table:
            cells = line.rstrip("\n").split("\t")
            english = clean(cells[columns["en"]]) if len(cells) > columns["en"] else ""
            for language in languages if english else ():
                source = clean(cells[columns[language]]) if len(cells) > columns[language] else ""
                if source:
                    written[language].write(f"{source}\t{english}\n")
    with contextlib.ExitStack() as stack:
        source, english, tag = (stack.enter_context(open_text(output / f"{split}.{side}", "w")) for side in SIDES)
        for language, part in parts.items():
            with open_text(part) as lines:
                for line in lines:
                    left, right = line.rstrip("\n").split("\t")
                    source.write(left + "\n")
                    english.write(right + "\n")
                    tag.write(language + "\n")
                    pairs += 1
            part.unlink()
    return pairs


def sample(output: Path, split: str, pairs: int, wanted: int) -> None:
    """Keep `wanted` of a split's pairs, evenly spaced: each language keeps its share, and every run keeps the same."""
    kept = {number * pairs // wanted for number in range(wanted)}
    for side in SIDES:
        path = output / f"{split}.{side}"
        with open_text(path) as lines, open_text(output / f".{split}.{side}", "w") as fewer:
            fewer.writelines(line for number, line in enumerate(lines) if number in kept)
        (output / f".{split}.{side}").replace(path)


def open_text(path: Path, mode: str = "r") -> TextIO:
    """A file whose lines end at a newline alone: a few of these sentences have other separators in them."""
    return open(path, mode, encoding="utf-8", errors="replace" if mode == "r" else None, newline="\n")


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", required=True, type=Path, metavar="DIR", help="folder of all_talks_train.tsv")
    parser.add_argument("--languages", required=True, nargs="+", metavar="CODE", help="the archive's codes")
    parser.add_argument("--valid", type=int, metavar="N", help="so many pairs of the dev set (default: all)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if it is not there")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for split, name in SPLITS.items():
        path = args.archive / f"all_talks_{name}.tsv"
        if not path.is_file():
            sys.exit(f"ted_talks.py: --archive {args.archive}: no {path.name} there; unpack ted_talks.tar.gz into it")
        pairs = write_split(path, args.languages, args.output, split)
        if split == "valid" and args.valid is not None and args.valid < pairs:
            sample(args.output, split, pairs, args.valid)


if __name__ == "__main__":
    main()
