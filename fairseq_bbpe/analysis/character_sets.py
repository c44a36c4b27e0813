"""The characters of a data set: Table 1 of the BBPE paper and what its text says of character sets."""

from __future__ import annotations

from collections import Counter

from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.text.recovery import recover

DATASET_COLUMNS = (
    *("lines", "languages", "source_characters", "target_characters", "source_bytes", "target_bytes"),
    *("source_character_set", "target_character_set", "character_set", "characters_for_99.99%"),
)


def count_characters(text: ParallelText, label: str = "characters") -> tuple[Counter, Counter]:
    """Count the characters of both sides, without newlines and without bytes that are no UTF-8: (source, target)."""
    source: Counter = Counter()
    target: Counter = Counter()
    for source_lines, target_lines, _ in text.blocks(label):
        # The ends of lines stay, so that no two halves make a character.
        source.update(recover(b"\n".join(source_lines)))
        target.update(recover(b"\n".join(target_lines)))
    for counts in (source, target):
        counts.pop("\n", None)
    return source, target


def most_frequent_that_cover(counts: Counter, share: float) -> int:
    """How many of the most frequent symbols make up this share of all that occur.

    >>> most_frequent_that_cover(Counter("aaaaaabbbc"), 0.9)
    2
    """
    needed, covered = share * counts.total(), 0
    for number, (_, count) in enumerate(counts.most_common(), start=1):
        covered += count
        if covered >= needed:
            return number
    return 0


def dataset_row(text: ParallelText) -> tuple:
    """The `DATASET_COLUMNS` of one split; ``-`` for languages where no file names them."""
    source, target = count_characters(text)
    languages = {code for _, _, codes in text.blocks("languages") for code in codes} if text.languages else None
    return (
        text.lines,
        "-" if languages is None else len(languages),
        source.total(),
        target.total(),
        text.source_bytes,
        text.target_bytes,
        len(source),
        len(target),
        len(source | target),
        most_frequent_that_cover(source + target, 0.9999),
    )
