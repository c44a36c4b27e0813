"""Measure the share of tokens that hold a part of a character, and how many characters are decomposed (BBPE paper,
Table 3)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import add_name, add_text, add_vocabularies, read_vocabularies, write

EXAMPLE = "fairseq-bbpe analyze partial --source train.ja --target train.en --vocab bbpe:4096 --output partial.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `partial`."""
    add_text(parser)
    add_vocabularies(parser)
    add_name(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import partial

    write(args, partial(*read_vocabularies(args), args.name, args.workers))
