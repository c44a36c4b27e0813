"""Count the pieces of both sides by descending frequency, in log2, a column a vocabulary (BBPE paper, Figure 2)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import add_text, add_vocabularies, read_vocabularies, write

EXAMPLE = (
    "fairseq-bbpe analyze frequencies --source train.ja --target train.en --vocab char bbpe:4096"
    " --output frequencies.tsv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `frequencies`."""
    add_text(parser)
    add_vocabularies(parser)


def run(args: argparse.Namespace) -> None:
    """Count, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import frequencies

    write(args, frequencies(*read_vocabularies(args), args.workers))
