"""Tables of tab-separated values with a line of column names, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fairseq_bbpe.corpus.staging import replacing_file
from fairseq_bbpe.errors import UserError

Table = tuple[Sequence[str], Sequence[Sequence]]
"""Names of columns, and rows."""


def save_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table of tab-separated values with a line of column names."""
    # surrogateescape: a name in it may be a file's, of any bytes.
    with (
        replacing_file(path) as part,
        open(part, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        for row in (header, *rows):
            print(*row, sep="\t", file=file)


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
