"""How far a source's length tells its translation's (Figure 5 of the ByteNet paper)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from fairseq_bbpe.analysis.figures import legible
from fairseq_bbpe.errors import UserError

UNITS = {"characters": len, "bytes": lambda text: len(text.encode("utf-8", "surrogateescape"))}


def length_table(source: str | Path, target: str | Path, unit: str = "characters") -> np.ndarray:
    """Rows (source length, target length, sentences) over two parallel files, in ascending order.

    Lines end at a newline alone, as everywhere in this project.

    Raises:
        UserError: unequal numbers of lines, or none.
    """
    sides = []
    for path in (source, target):
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                sides.append([UNITS[unit](line.rstrip("\n")) for line in lines])
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}: give a file of raw text") from None
    if len(sides[0]) != len(sides[1]):
        raise UserError(f"{source} has {len(sides[0])} lines, {target} has {len(sides[1])}: give parallel files")
    if not sides[0]:
        raise UserError(f"{source}: the file is empty: give one with text in it")
    pairs = Counter(zip(*sides, strict=True))
    return np.array([(*pair, count) for pair, count in sorted(pairs.items())])


def correlation(table: np.ndarray) -> float:
    """Pearson's coefficient between the two lengths; nan where one side's lengths are all equal.

    >>> round(correlation(np.array([[1, 2, 5], [2, 4, 1], [3, 6, 2]])), 6)
    1.0
    """
    lengths, weights = table[:, :2].T, table[:, 2]
    covariance = np.cov(lengths, fweights=weights, ddof=0)
    with np.errstate(invalid="ignore"):
        return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def draw_lengths(table: np.ndarray, axes, source: str, target: str, unit: str = "characters") -> None:
    """Draw a length table as Figure 5 does: a point for each pair of lengths, larger for more sentences."""
    target_lengths, source_lengths = table[:, 1], table[:, 0]
    axes.scatter(target_lengths, source_lengths, s=4 * np.sqrt(table[:, 2]), alpha=0.4, linewidths=0, color="#0072b2")
    longest = table[:, :2].max() * 1.03
    axes.set(xlim=(0, longest), ylim=(0, longest))
    (source, target), fonts = legible([source, target])
    axes.set_xlabel(f"{target} ({unit})", fontfamily=fonts)
    axes.set_ylabel(f"{source} ({unit})", fontfamily=fonts)
    axes.set_aspect("equal")
    axes.set_title(f"ρ = {correlation(table):.3f}")
