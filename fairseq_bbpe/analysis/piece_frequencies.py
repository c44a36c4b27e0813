"""Pieces by descending frequency, in log2 (Figure 2 of the BBPE paper)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from fairseq_bbpe.analysis.palette import line_style

# Ranks kept in a table from 1 to 10, 10 to 100 ...: far more than a figure can show.
RANKS_A_DECADE = 100


def frequency_table(counts: Mapping[str, Counter]) -> tuple[tuple[str, ...], list[tuple]]:
    """Header and rows: a rank (from 1), then for each vocabulary the log2 of how often that piece occurs.

    Ranks are thinned evenly in their logarithm, and the last of each vocabulary is kept; ``-`` beyond it. Entries that
    never occur have no rank.

    >>> frequency_table({"char": Counter("aabbbb"), "byte": Counter("aaaaaaaa")})
    (('rank', 'char', 'byte'), [(1, '2.000', '3.000'), (2, '1.000', '-')])
    """
    descending = {name: sorted(filter(None, counter.values()), reverse=True) for name, counter in counts.items()}
    ranks = {len(values) for values in descending.values()}
    last, exponent = max(ranks, default=0), 0
    while (rank := round(10 ** (exponent / RANKS_A_DECADE))) <= last:
        ranks.add(rank)
        exponent += 1

    def at(values: Sequence[int], rank: int) -> str:
        return f"{math.log2(values[rank - 1]):.3f}" if rank <= len(values) else "-"

    rows = [(rank, *(at(values, rank) for values in descending.values())) for rank in sorted(ranks) if rank]
    return ("rank", *descending), rows


def draw_frequencies(header: Sequence[str], rows: Sequence[Sequence[str]], axes) -> None:
    """Draw a frequency table as Figure 2 does: a line for each vocabulary."""
    for number, name in enumerate(header[1:]):
        points = [(int(row[0]), float(row[number + 1])) for row in rows if row[number + 1] != "-"]
        axes.plot(*zip(*points, strict=True), label=name, markevery=0.12, **line_style(number))
    axes.set_xscale("log", base=10)
    axes.set(xlabel="rank of the piece", ylabel="log$_2$ frequency")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
