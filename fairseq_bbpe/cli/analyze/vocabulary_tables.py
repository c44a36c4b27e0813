"""Arguments that the tables of text and vocabularies share, their checks, and how a table is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fairseq_bbpe.cli.arguments import add_output, add_workers
from fairseq_bbpe.corpus.checks import require_text
from fairseq_bbpe.errors import UserError

if TYPE_CHECKING:
    from fairseq_bbpe.analysis.parallel_text import ParallelText


def add_text(parser: argparse.ArgumentParser) -> None:
    """Add the two sides of parallel text, and the table to write."""
    parser.add_argument("--source", required=True, metavar="FILE", help="raw text, a sentence a line")
    parser.add_argument("--target", required=True, metavar="FILE", help="its translation, line by line")
    add_output(parser, "FILE", "the table to write: tab-separated values with a line of column names")


def add_languages(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add the file of language codes."""
    parser.add_argument(
        "--languages", required=required, metavar="FILE", help="the language code of each line of the source"
    )


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of the corpus in the table."""
    parser.add_argument("--name", default="-", metavar="NAME", help="column corpus (default: %(default)s)")


def add_vocabularies(parser: argparse.ArgumentParser) -> None:
    """Add the vocabularies to compare."""
    parser.add_argument(
        "--vocab",
        required=True,
        nargs="+",
        metavar="SPEC",
        help="byte, bbpe:N, char, bpe:N or fairseq:N, learned on both sides of the text, or a .model file; what the "
        "text does not support, such as more pieces than it has words, is left out with a note",
    )
    parser.add_argument(
        "--models",
        metavar="FOLDER",
        help="keep what is learned in this folder, and use what is there (default: keep none)",
    )
    add_workers(parser)


def read_text(args: argparse.Namespace):
    """Check the arguments, and count the lines of the text."""
    from fairseq_bbpe.analysis.parallel_text import ParallelText

    for flag in ("source", "target", "languages"):
        if getattr(args, flag, None) is not None:
            require_text(getattr(args, flag), f"--{flag}")
    for flag in ("name", "split", "source_text", "target_text"):
        if set(getattr(args, flag, "")) & set("\t\n\r"):
            raise UserError(f"--{flag.replace('_', '-')}: holds a tab or a line's end: give one without")
    return ParallelText.of_files(args.source, args.target, getattr(args, "languages", None))


def read_vocabularies(args: argparse.Namespace) -> tuple[ParallelText, Iterator]:
    """Check the arguments: (text, its vocabularies, each learned or loaded when its turn comes)."""
    from fairseq_bbpe.analysis.library import Library
    from fairseq_bbpe.vocabularies.specification import Specification

    specifications = Specification.parse_all(args.vocab)
    for specification in specifications:
        if specification.path is not None:
            require_text(specification.path, "--vocab")
    text = read_text(args)

    def vocabularies() -> Iterator:
        yield from Library(text, args.models, args.workers).each(specifications)

    return text, vocabularies()


def write(args: argparse.Namespace, table: tuple) -> None:
    """Write a table; raises `UserError` where no vocabulary was left for it."""
    from fairseq_bbpe.analysis.tables import save_table

    header, rows = table
    if not rows or len(header) < 2:
        raise UserError(f"{args.source}: supports none of these vocabularies: give smaller ones, or more text")
    save_table(args.output, header, rows)
