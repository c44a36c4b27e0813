"""Which pieces may follow which, so that the bytes they spell are valid UTF-8: a byte automaton, lifted to pieces.

UTF-8 is a regular language of eight states (Table 3-7 of the Unicode Standard): between characters; 1, 2 or 3
continuation bytes to come; and after E0, ED, F0 or F4, which restrict the byte that follows them. It synchronises
itself: what state a text ends in, its last three pieces tell.
"""

from collections.abc import Sequence

import numpy as np

from fairseq_bbpe.text.alphabet import SYMBOLS, symbols_to_bytes

START, ONE, TWO, THREE, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4, DEAD = range(9)
STATES = 8

# A text that may still become valid is inside a character only if that character's first byte is in one of its last
# three pieces: no character has more than four bytes.
LOOKBACK = 3


def byte_transitions() -> np.ndarray:
    """The state after each byte in each state, (9, 256); `DEAD` where no valid text has that byte there."""
    after = np.full((STATES + 1, 256), DEAD)
    after[START, 0x00:0x80] = START
    after[START, 0xC2:0xE0] = ONE
    after[START, 0xE0:0xF0] = TWO
    after[START, 0xF0:0xF4] = THREE
    after[START, [0xE0, 0xED, 0xF0, 0xF4]] = AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4
    after[ONE, 0x80:0xC0] = START
    after[TWO, 0x80:0xC0] = ONE
    after[THREE, 0x80:0xC0] = TWO
    after[AFTER_E0, 0xA0:0xC0] = ONE  # less would be an overlong form
    after[AFTER_ED, 0x80:0xA0] = ONE  # more would be a surrogate
    after[AFTER_F0, 0x90:0xC0] = TWO  # less would be an overlong form
    after[AFTER_F4, 0x80:0x90] = TWO  # more would be past U+10FFFF
    return after


class PieceAutomaton:
    """The automaton over the pieces of a vocabulary.

    Args:
        pieces: the bytes of every piece; none for one that spells nothing, which may stand between characters alone.

    Attributes:
        allowed: (8, V), bool: whether a valid text in that state may go on with that piece.
        next: (8, V): the state after it. After a piece that is not allowed, as a prefix that a user forces may be, it
            is the state that the text is in for a decoder that drops what is invalid.
        needed: (8,): how many pieces a text in that state needs at least to end between characters.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        longest = max(map(len, pieces))
        padded = np.frombuffer(b"".join(piece.ljust(longest, b"\0") for piece in pieces), np.uint8)
        columns = padded.reshape(len(pieces), longest).T
        lengths = np.array([len(piece) for piece in pieces])

        strict = byte_transitions()
        lenient = np.where(strict == DEAD, strict[START], strict)
        lenient = np.where(lenient == DEAD, START, lenient)
        state = np.repeat(np.arange(STATES)[:, None], len(pieces), axis=1)
        self.next = state.copy()
        for step, column in enumerate(columns):
            inside = np.flatnonzero(step < lengths)
            state[:, inside] = strict[state[:, inside], column[inside]]
            self.next[:, inside] = lenient[self.next[:, inside], column[inside]]
        self.allowed = state != DEAD
        self.allowed[1:, lengths == 0] = False
        self.next[:, lengths == 0] = START
        self.needed = self._pieces_needed()

    def partial(self) -> np.ndarray:
        """The pieces that are not valid UTF-8 by themselves, in ascending order.

        After any other a text is between characters, whatever came before; and there any other may follow.
        """
        return np.flatnonzero(~self.allowed[START] | (self.next != START).any(axis=0))

    def _pieces_needed(self) -> np.ndarray:
        needed = np.full(STATES, np.iinfo(np.int64).max)
        needed[START] = 0
        for pieces in range(1, STATES):
            ends = (needed[self.next] == pieces - 1) & self.allowed
            needed[(needed > pieces) & ends.any(axis=1)] = pieces
        assert needed.max() < STATES, "a vocabulary that holds every byte can finish every character"
        return needed

    def allowed_with_room(self) -> np.ndarray:
        """`allowed` (R, 8, V) where only r more pieces fit after this one, r < R; with R - 1 all characters fit."""
        room = np.arange(self.needed.max() + 1)[:, None, None]
        return self.allowed & (self.needed[self.next] <= room)


def dictionary_pieces(dictionary) -> list[bytes] | None:
    """The bytes of every symbol of fairseq's `dictionary`, or None where it is not one of a byte-level vocabulary."""
    if not set(SYMBOLS).issubset(dictionary.symbols):
        return None
    silent = {dictionary.bos(), dictionary.pad(), dictionary.eos()}  # in no text; <unk> comes out as it is spelled
    return [b"" if number in silent else symbols_to_bytes(symbol) for number, symbol in enumerate(dictionary.symbols)]
