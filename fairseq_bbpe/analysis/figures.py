"""Figures, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairseq_bbpe.analysis.tables import read_table
from fairseq_bbpe.corpus.staging import replacing_file
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.recovery import recover


def legible(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words as this machine's fonts can show them, and those fonts: what none shows turns into hexadecimal bytes.

    A dollar begins no formula (`literal`).
    """
    from matplotlib import font_manager

    # The name of a file is any bytes.
    words = [recover(word.encode("utf-8", "surrogateescape"), "replace") for word in words]
    fonts = ["DejaVu Sans"]
    missing = {ord(character) for word in words for character in word}
    missing -= set(font_manager.get_font(font_manager.findfont(fonts[0])).get_charmap())
    for entry in font_manager.fontManager.ttflist if missing else []:
        covered = missing & set(font_manager.get_font(entry.fname).get_charmap())
        if covered and entry.name not in fonts:
            fonts.append(entry.name)
            missing -= covered
    return [word.encode().hex(" ").upper() if missing & set(map(ord, word)) else literal(word) for word in words], fonts


def literal(word: str) -> str:
    """A word of the user's as matplotlib shows it: between two dollars it would read a formula."""
    return word.replace("$", r"\$")


@contextmanager
def figure(path: str | Path, width: float = 5, height: float = 5) -> Iterator:
    """An empty matplotlib figure, in inches, that is saved as a PNG at the end.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(f"{path}: matplotlib is not installed; pip install matplotlib") from None
    plot = Figure(figsize=(width, height), layout="constrained")
    yield plot
    with replacing_file(path) as part:
        plot.savefig(part, format="png", dpi=150)


def panels(tables: Sequence[str], titles: Sequence[str] | None, output: str, kind: str, draw: Callable) -> None:
    """Draw each table with `draw(header, rows, axes)`, side by side under its title (default: its file's name).

    Raises:
        UserError: as many titles as tables are wanted, or a table is none of this `kind`.
    """
    titles = titles or [Path(path).stem for path in tables]
    if len(titles) != len(tables):
        raise UserError(f"--titles: {len(titles)} for {len(tables)} tables: give one for each")
    contents = [read_table(path) for path in tables]
    for path, (header, _) in zip(tables, contents, strict=True):
        if len(header) < 2:
            raise UserError(f"--table {path}: has one column: give a table that 'fairseq-bbpe analyze' wrote")
    with figure(output, width=max(5, 4 * len(tables)), height=3.5) as plot:
        from matplotlib import rc_context

        shown, fonts = legible([*titles, *(name for header, _ in contents for name in header)])
        with rc_context({"font.family": fonts}):
            all_axes = plot.subplots(1, len(tables), squeeze=False)[0]
            for axes, title, path, (header, rows) in zip(all_axes, shown, tables, contents, strict=False):
                try:
                    draw([*map(literal, header)], [[*map(literal, row)] for row in rows], axes)
                except UserError as error:
                    raise UserError(f"--table {path}: {error}") from None
                except ValueError as error:
                    raise UserError(
                        f"--table {path}: is no table of {kind} ({error}): give one that 'fairseq-bbpe analyze' wrote"
                    ) from None
                axes.set_title(title)
