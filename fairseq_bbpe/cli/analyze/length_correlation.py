"""Correlate the lengths of sentences and their translations, as Figure 5 of the ByteNet paper does.

Writes PREFIX.tsv (source length, target length, number of sentences) and the figure PREFIX.png drawn from it; prints
Pearson's coefficient.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_output
from fairseq_bbpe.corpus.checks import require_text

EXAMPLE = "fairseq-bbpe analyze length-correlation --source test.en --target test.de --output lengths"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `length-correlation`."""
    parser.add_argument("--source", required=True, metavar="PATH", help="file of raw text, a sentence a line")
    parser.add_argument("--target", required=True, metavar="PATH", help="its translation, line by line")
    parser.add_argument(
        "--unit", choices=("characters", "bytes"), default="characters", help="of lengths (default: %(default)s)"
    )
    add_output(parser, "PREFIX", "writes PREFIX.tsv and PREFIX.png", ".tsv", ".png")


def run(args: argparse.Namespace) -> None:
    """Count, draw and print the coefficient."""
    from fairseq_bbpe.analysis.figures import figure
    from fairseq_bbpe.analysis.lengths import correlation, draw_lengths, length_table
    from fairseq_bbpe.analysis.tables import save_table

    prefix = Path(args.output)
    require_text(args.source, "--source")
    require_text(args.target, "--target")
    table = length_table(args.source, args.target, args.unit)
    save_table(f"{prefix}.tsv", ("source", "target", "sentences"), table)
    with figure(f"{prefix}.png") as plot:
        draw_lengths(table, plot.subplots(), Path(args.source).name, Path(args.target).name, args.unit)
    print(f"{prefix}.png: {table[:, 2].sum()} sentences, rho {correlation(table):.3f}")
