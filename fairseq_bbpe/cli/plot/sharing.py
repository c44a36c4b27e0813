"""Draw Figure 3 of the BBPE paper from tables that `fairseq-bbpe analyze sharing` wrote."""

import argparse

from fairseq_bbpe.cli.plot.panels import add_panels, draw_panels

EXAMPLE = "fairseq-bbpe plot sharing --table sharing.tsv --output figure3.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sharing`."""
    add_panels(parser)


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from fairseq_bbpe.analysis.sharing import draw_sharing

    draw_panels(args, "sharing", draw_sharing)
