"""Measure what each vocabulary costs each language: the pieces of its lines over those of their translation.

Writes a table of these premiums, a line a language and a column a vocabulary, languages with most lines first. Prints
for each vocabulary the mean pieces of a source line and of a target line, the highest premium, and the Gini coefficient
of the premiums: 0 where every language costs the same.
"""

import argparse

from fairseq_bbpe.cli.analyze.vocabulary_tables import (
    add_languages,
    add_text,
    add_vocabularies,
    read_vocabularies,
    write,
)

EXAMPLE = (
    "fairseq-bbpe analyze premiums --source test.src --target test.en --languages test.lang --vocab bbpe4k.model"
    " --output premiums.tsv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `premiums`."""
    add_text(parser)
    add_languages(parser, required=True)
    add_vocabularies(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, write the table, and print what sums it up."""
    from fairseq_bbpe.analysis.vocabulary_tables import premium_tables

    table, summary = premium_tables(*read_vocabularies(args), args.workers)
    write(args, table)
    for vocabulary, source, target, highest, language, unequal in summary:
        print(
            f"{vocabulary}: {source:.2f} + {target:.2f} pieces a line, highest premium {highest:.3f} ({language}), "
            f"Gini {unequal:.4f}"
        )
