"""How many tokens hold a part of a character, and which characters stay whole (Table 3 of the BBPE paper)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fairseq_bbpe.text.recovery import recover
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary

PARTIAL_COLUMNS = (
    *("pieces", "tokens", "tokens_partial_%", "entries_partial_%"),
    *("characters", "characters_whole", "characters_decomposed"),
)


def is_partial(spelling: bytes) -> bool:
    """Whether these bytes hold some that make no whole character.

    >>> [is_partial(piece) for piece in ("日本".encode(), "日".encode()[1:], "日".encode() + b"\\xe6")]
    [False, True, True]
    """
    return len(recover(spelling).encode()) != len(spelling)


def partial_row(vocabulary: SubwordVocabulary, counts: Counter, characters: Iterable[str]) -> tuple:
    """The `PARTIAL_COLUMNS` of one vocabulary.

    Args:
        vocabulary: the vocabulary.
        counts: how often each of its pieces occurs in the running text. The paper leaves open whether its "ratio of
            BBPE tokens with partial characters" is one of running tokens or of entries; this counts both.
        characters: the distinct characters of that text. One is whole where some entry holds all its bytes in a row,
            and decomposed otherwise.
    """
    spellings = {piece: vocabulary.spell(piece) for piece in {*vocabulary.pieces, *counts}}
    partial = {piece for piece, spelling in spellings.items() if is_partial(spelling)}
    running = sum(counts[piece] for piece in partial)
    whole = {character for piece in vocabulary.pieces for character in recover(spellings[piece])}
    characters = set(characters)
    return (
        len(vocabulary.pieces),
        counts.total(),
        percent(running, counts.total()),
        percent(sum(piece in partial for piece in vocabulary.pieces), len(vocabulary.pieces)),
        len(characters),
        len(characters & whole),
        len(characters - whole),
    )


def percent(part: int, whole: int) -> str:
    """A share in per cent with two decimals; ``-`` of nothing."""
    return f"{100 * part / whole:.2f}" if whole else "-"
