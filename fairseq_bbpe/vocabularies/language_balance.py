"""Temperature sampling: a language with a share p of the lines gets a share proportional to p^(1/T) of those drawn.

T = 1 leaves the text as it stands; a higher T gives small languages more, up to equal shares. Arivazhagan et al.
(2019), "Massively Multilingual Neural Machine Translation in the Wild", take T = 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from random import Random
from typing import TypeVar

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import read_lines

Language = TypeVar("Language", bound=Hashable)


def copies_of_a_line(lines: Mapping[Language, int], temperature: float) -> dict[Language, float]:
    """How often a line of each language is drawn on average, where as many lines are drawn as there are.

    Args:
        lines: of each language, 1 or more.
        temperature: T, 1 or more.

    >>> copies_of_a_line({"de": 900, "my": 100}, 1)
    {'de': 1.0, 'my': 1.0}
    >>> copies_of_a_line({"de": 900, "my": 100}, 2)["my"]  # a share of 10 / (30 + 10) of the 1000 lines
    2.5
    """
    powers = {language: float(count) ** (1 / temperature) for language, count in lines.items()}
    total, normaliser = sum(lines.values()), sum(powers.values())
    return {language: total * powers[language] / (count * normaliser) for language, count in lines.items()}


def read_languages(path: str | Path, flag: str) -> Iterator[str]:
    """Yield the language of each line; raises `UserError` where a line has none."""
    for number, line in enumerate(read_lines(path), start=1):
        language = line.decode("utf-8", "replace").strip()
        if not language:
            raise UserError(f"{flag} {path}: line {number} is empty: give the language of every line of the text")
        yield language


def require_temperature(temperature: float, flag: str) -> None:
    """Raise `UserError` unless T is 1 or more."""
    if not temperature >= 1:  # nor nan
        raise UserError(f"{flag} {temperature:g}: give 1, which leaves the text as it stands, or more, such as 5")


def balanced_lines(
    inputs: Sequence[str | Path], languages: Sequence[str | Path], temperature: float, seed: int = 1
) -> Iterator[bytes]:
    """Check the files, and draw from their lines, in their order, about as many as they have.

    Every line is kept, repeated or left out, by its language alone; the same ones for the same `seed`. Memory holds no
    more than the number of lines of each language.

    Args:
        inputs: files of text.
        languages: files with the language of each line, of the first of `inputs`, the second ...; a file of text beyond
            the last of them is a language of its own.
        temperature: T, 1 or more.

    Raises:
        UserError: T below 1; files that do not fit each other; a line without a language; one language alone.
    """
    require_temperature(temperature, "--balance")
    if len(languages) > len(inputs):
        raise UserError(f"--languages: {len(languages)} files for {len(inputs)} of --input: give at most one for each")
    of_input: list[str | Path | None] = [*languages, *repeat(None, len(inputs) - len(languages))]

    def labels(number: int) -> Iterator[str | int]:
        path = of_input[number]
        return repeat(number) if path is None else read_languages(path, "--languages")

    counts: Counter[str | int] = Counter()
    for number, path in enumerate(inputs):
        lines = sum(1 for _ in read_lines(path))
        found = Counter({number: lines} if of_input[number] is None else labels(number))
        if found.total() != lines:
            raise UserError(
                f"--languages: {path} has {lines} lines, {of_input[number]} has {found.total()}: "
                "give the language of every line"
            )
        counts.update(found)
    if len(counts) < 2:
        raise UserError("--balance: all lines are of one language: give --languages FILE, or leave it out")
    copies = copies_of_a_line(counts, temperature)
    draw = Random(seed).random
    return (
        line
        for number, path in enumerate(inputs)
        for language, line in zip(labels(number), read_lines(path), strict=False)  # repeat() has no end
        # Rounded up as often as makes the average right.
        for _ in range(int(copies[language] + draw()))
    )
