"""Colours that the colour-blind tell apart (Okabe and Ito), with dashes, markers and hatches for black and white."""

from __future__ import annotations

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#d55e00", "#8c8c00")
DASHES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
HATCHES = ("", "///", "...", "\\\\\\", "xx", "++", "oo", "--")


def line_style(number: int) -> dict:
    """Keyword arguments of `axes.plot` for the line of this number, from 0."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.3,
    }


def bar_style(number: int) -> dict:
    """Keyword arguments of `axes.bar` for the bars of this number, from 0."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "hatch": HATCHES[number % len(HATCHES)],
        "edgecolor": "white" if number % len(COLOURS) != 1 else "black",
        "linewidth": 0.6,
    }
