"""Segment one sentence in every vocabulary, as `fairseq-bbpe show` prints tokens (BBPE paper, Figures 1 and 5)."""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import add_name, add_text, add_vocabularies, read_vocabularies, write

EXAMPLE = (
    "fairseq-bbpe analyze tokens --source train.ja --target train.en --vocab bbpe:1024 bbpe:4096"
    " --source-text 質問 --target-text question --output tokens.tsv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tokens`."""
    add_text(parser)
    parser.add_argument("--source-text", required=True, metavar="TEXT", help="the sentence to show")
    parser.add_argument("--target-text", required=True, metavar="TEXT", help="its translation")
    add_vocabularies(parser)
    add_name(parser)


def run(args: argparse.Namespace) -> None:
    """Segment, and write the table."""
    from fairseq_bbpe.analysis.vocabulary_tables import tokens

    _, vocabularies = read_vocabularies(args)
    write(args, tokens(vocabularies, args.name, args.source_text, args.target_text))
