"""Pieces as Figures 1 and 5 of the BBPE paper print them: characters as text, bytes of partial ones in hexadecimal."""

from functools import lru_cache

from fairseq_bbpe.text.alphabet import symbols_to_bytes


def show_pieces(pieces: str) -> str:
    """Print pieces joined by spaces: spaces of the text as ``_``, all else that does not print in hexadecimal.

    >>> show_pieces("Ask ▁ ţā Ħţā▁")
    'Ask _ E381 A6E381_'
    """
    return " ".join(map(show_piece, pieces.split()))


@lru_cache(maxsize=2**16)
def show_piece(piece: str) -> str:
    """Print one piece."""
    # surrogateescape: byte 0xE3 of a partial character becomes U+DCE3, and encodes to itself again.
    characters = symbols_to_bytes(piece).decode("utf-8", "surrogateescape")
    return "".join(map(_show_character, characters))


def _show_character(character: str) -> str:
    if character == " ":
        return "_"
    if character.isprintable():
        return character
    return character.encode("utf-8", "surrogateescape").hex().upper()
