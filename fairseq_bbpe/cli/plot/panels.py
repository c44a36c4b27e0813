"""Arguments of figures drawn from tables, a panel a table."""

import argparse

from fairseq_bbpe.cli.arguments import add_output
from fairseq_bbpe.corpus.checks import require_text


def add_panels(parser: argparse.ArgumentParser) -> None:
    """Add the tables, their titles, and the figure to write."""
    parser.add_argument("--table", required=True, nargs="+", metavar="FILE", help="tables of tab-separated values")
    parser.add_argument("--titles", nargs="+", metavar="TITLE", help="one for each table (default: the files' names)")
    add_output(parser, "FILE", "the PNG to write")


def draw_panels(args: argparse.Namespace, kind: str, draw) -> None:
    """Check the tables, and draw each with `draw(header, rows, axes)`."""
    from fairseq_bbpe.analysis.figures import panels

    for path in args.table:
        require_text(path, "--table")
    panels(args.table, args.titles, args.output, kind, draw)
