"""In how many languages a piece occurs (Figure 3 of the BBPE paper)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fairseq_bbpe.analysis.palette import bar_style, line_style

# Up to so many languages a bar for each number of them is legible.
MOST_BARS = 8


def sharing_column(pieces: Iterable[str], counts: Mapping[str, Counter], languages: Sequence[str]) -> list[int]:
    """How many of `pieces` occur in none of these languages, in one, in two, up to all of them.

    >>> sharing_column("abcd", {"ar": Counter("aab"), "he": Counter("ac"), "ko": Counter("dd")}, ["ar", "he"])
    [1, 2, 1]
    """
    used = Counter(piece for language in languages for piece in set(counts.get(language, ())))
    numbers = Counter(used[piece] for piece in pieces)
    return [numbers[number] for number in range(len(languages) + 1)]


def draw_sharing(header: Sequence[str], rows: Sequence[Sequence[str]], axes) -> None:
    """Draw a sharing table: of the pieces that occur, the share of those in 1, 2, ... languages.

    Bars, as in Figure 3; with more languages than fit, lines of the share in so many languages or more.
    """
    names = header[1:]
    languages = [int(row[0]) for row in rows if int(row[0])]
    columns = [[int(row[number]) for row in rows if int(row[0])] for number in range(1, len(header))]
    few = len(languages) <= MOST_BARS
    width = 0.8 / len(names)
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        total = sum(column) or 1
        if few:
            places = [language + (number - (len(names) - 1) / 2) * width for language in languages]
            axes.bar(places, [100 * count / total for count in column], width, label=name, **bar_style(number))
        else:
            shares = [100 * sum(column[index:]) / total for index in range(len(column))]
            axes.plot(languages, shares, label=name, markevery=0.1, **line_style(number))
    if few:
        axes.set_xticks(languages)
    axes.set(xlabel="languages" if few else "languages, at least", ylabel="% of the pieces that occur")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y" if few else "both", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize="small")
