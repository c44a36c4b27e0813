"""Draw Figure 4 of the BBPE paper from tables of scores.

Their columns are vocabulary, context, which is none, conv, gru or mixture, and bleu or chrf.
"""

import argparse
from functools import partial

from fairseq_bbpe.cli.plot.panels import add_panels, draw_panels

EXAMPLE = "fairseq-bbpe plot contextualization --table figure4.tsv --metric chrf --output figure4.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `contextualization`."""
    add_panels(parser)
    parser.add_argument(
        "--metric", choices=("bleu", "chrf"), default="bleu", help="score to draw (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from fairseq_bbpe.analysis.contextualization import draw_contextualization

    draw_panels(args, "contextualization", partial(draw_contextualization, metric=args.metric))
