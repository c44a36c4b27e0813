"""Tables and the figures drawn from them, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairseq_bbpe.errors import UserError


def save_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table of tab-separated values with a line of column names."""
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8", newline="\n") as file:
        for row in (header, *rows):
            print(*row, sep="\t", file=file)
    os.replace(part, path)


def read_table(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Read a table that `save_table` wrote: the names of its columns, and its rows.

    Raises:
        UserError: there is no such file, it has no row, or a row has another number of columns.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', 'not UTF-8')}: give a table of this project") from None
    header, *rows = [line.split("\t") for line in lines]
    if not rows:
        raise UserError(f"{path}: has no rows: give a table with a line of column names and lines of values")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(
                f"{path}: line {number} has {len(row)} columns, the first has {len(header)}: mend the table"
            )
    return header, rows


def legible(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words as this machine's fonts can show them, and those fonts: what none shows turns into hexadecimal bytes."""
    from matplotlib import font_manager

    fonts = ["DejaVu Sans"]
    missing = {ord(character) for word in words for character in word}
    missing -= set(font_manager.get_font(font_manager.findfont(fonts[0])).get_charmap())
    for entry in font_manager.fontManager.ttflist if missing else []:
        covered = missing & set(font_manager.get_font(entry.fname).get_charmap())
        if covered and entry.name not in fonts:
            fonts.append(entry.name)
            missing -= covered
    shown = [word.encode().hex(" ").upper() if missing & set(map(ord, word)) else word for word in words]
    return shown, fonts


@contextmanager
def figure(path: str | Path, width: float = 5, height: float = 5) -> Iterator:
    """An empty matplotlib figure, in inches, that is saved as a PNG at the end.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(f"{path}: matplotlib is not installed; pip install 'fairseq-bbpe[analysis]'") from None
    plot = Figure(figsize=(width, height), layout="constrained")
    yield plot
    part = f"{path}.part"
    plot.savefig(part, format="png", dpi=150)
    os.replace(part, path)
