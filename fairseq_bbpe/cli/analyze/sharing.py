"""Count how many pieces occur in 0, 1, 2, ... languages of the source side, a column a vocabulary (BBPE paper,
Figure 3)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import (
    add_languages,
    add_text,
    add_vocabularies,
    read_vocabularies,
    write,
)

EXAMPLE = (
    "fairseq-bbpe analyze sharing --source train.src --target train.en --languages train.lang --vocab bbpe:4096"
    " --output sharing.tsv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sharing`."""
    add_text(parser)
    add_languages(parser, required=True)
    parser.add_argument("--among", nargs="+", metavar="CODE", help="only these languages (default: all)")
    add_vocabularies(parser)


def run(args: argparse.Namespace) -> None:
    """Count, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import sharing

    write(args, sharing(*read_vocabularies(args), args.among, args.workers))
