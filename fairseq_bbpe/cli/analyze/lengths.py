"""Measure mean lengths of sentences in tokens, on both sides, their ratio, and tokens in per cent of bytes (BBPE paper,
Table 4)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import add_name, add_text, add_vocabularies, read_vocabularies, write

EXAMPLE = (
    "fairseq-bbpe analyze lengths --source train.ja --target train.en --vocab byte bbpe:4096 bpe:4096"
    " --output lengths.tsv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lengths`."""
    add_text(parser)
    add_vocabularies(parser)
    add_name(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import lengths

    write(args, lengths(*read_vocabularies(args), args.name, args.workers))
