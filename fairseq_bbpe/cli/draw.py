"""Draw a figure of the BBPE paper from tables, a panel a table.

KIND is frequencies (Figure 2; a table that `fairseq-bbpe stats frequencies` wrote), sharing (Figure 3; of `stats
sharing`), or contextualisation (Figure 4; a table with the columns vocabulary, context, which is none, conv or gru, and
bleu or chrf).
"""

import argparse
from functools import partial
from pathlib import Path

from fairseq_bbpe.cli.arguments import require_text, require_writable
from fairseq_bbpe.errors import UserError

KINDS = ("frequencies", "sharing", "contextualisation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `draw`."""
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--table", required=True, nargs="+", metavar="FILE", help="tables of tab-separated values")
    parser.add_argument("--titles", nargs="+", metavar="TITLE", help="one for each table (default: the files' names)")
    parser.add_argument(
        "--metric", choices=("bleu", "chrf"), default="bleu", help="score of contextualisation (default: %(default)s)"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the PNG to write")


def run(args: argparse.Namespace) -> None:
    """Read the tables, and draw."""
    from fairseq_bbpe.analysis.figures import figure, legible, read_table

    for path in args.table:
        require_text(path, "--table")
    titles = args.titles or [Path(path).stem for path in args.table]
    if len(titles) != len(args.table):
        raise UserError(f"--titles: {len(titles)} for {len(args.table)} tables: give one for each")
    require_writable(Path(args.output).parent, f"--output {args.output}")
    tables = [read_table(path) for path in args.table]
    for path, (header, _) in zip(args.table, tables, strict=True):
        if len(header) < 2:
            raise UserError(f"--table {path}: has one column: give a table that 'fairseq-bbpe stats' wrote")
    draw = _drawing(args.kind, args.metric)
    with figure(args.output, width=max(5, 4 * len(tables)), height=3.5) as plot:
        from matplotlib import rc_context

        shown, fonts = legible([*titles, *(name for header, _ in tables for name in header)])
        with rc_context({"font.family": fonts}):
            panels = plot.subplots(1, len(tables), squeeze=False)[0]
            for axes, title, path, (header, rows) in zip(panels, shown, args.table, tables, strict=False):
                try:
                    draw(header, rows, axes)
                except ValueError as error:  # of which UserError is one
                    raise UserError(f"--table {path}: {_reason(error, args.kind)}") from None
                axes.set_title(title)


def _reason(error: ValueError, kind: str) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"is no table of {kind} ({error}): give one that 'fairseq-bbpe stats {kind}' wrote"


def _drawing(kind: str, metric: str):
    if kind == "frequencies":
        from fairseq_bbpe.analysis.symbol_frequencies import draw_frequencies

        return draw_frequencies
    if kind == "sharing":
        from fairseq_bbpe.analysis.sharing import draw_sharing

        return draw_sharing
    from fairseq_bbpe.analysis.contextualisation import draw_contextualisation

    return partial(draw_contextualisation, metric=metric)
