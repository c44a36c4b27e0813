"""Count the lines, languages, characters, bytes, and distinct characters of one split (BBPE paper, Table 1)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import add_languages, add_name, add_text, read_text, write

EXAMPLE = "fairseq-bbpe analyze datasets --source train.ja --target train.en --output datasets.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `datasets`."""
    add_text(parser)
    add_languages(parser)
    parser.add_argument("--split", default="train", metavar="NAME", help="column split (default: %(default)s)")
    add_name(parser)


def run(args: argparse.Namespace) -> None:
    """Count, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import datasets

    write(args, datasets(read_text(args), args.name, args.split))
