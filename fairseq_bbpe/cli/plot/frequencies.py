"""Draw Figure 2 of the BBPE paper from tables that `fairseq-bbpe analyze frequencies` wrote."""

import argparse

from fairseq_bbpe.cli.plot.panels import add_panels, draw_panels

EXAMPLE = "fairseq-bbpe plot frequencies --table ja-en.tsv x-en.tsv --titles Ja-En X-En --output figure2.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `frequencies`."""
    add_panels(parser)


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from fairseq_bbpe.analysis.piece_frequencies import draw_frequencies

    draw_panels(args, "frequencies", draw_frequencies)
