"""The automaton over pieces at its edges: pieces that spell nothing, and how much room characters need."""

import numpy as np
import pytest

from fairseq_bbpe.search.utf8_automaton import START, STATES, PieceAutomaton

BYTES = [bytes([byte]) for byte in range(256)]
PARTS = ["é".encode(), "日".encode()[:2], b"a\xf0\x9f", b""]


@pytest.fixture(scope="module")
def automaton():
    return PieceAutomaton([*BYTES, *PARTS])


def test_a_piece_that_spells_nothing_stands_between_characters_alone(automaton):
    silent = len(BYTES) + PARTS.index(b"")
    assert np.flatnonzero(automaton.allowed[:, silent]).tolist() == [START]
    # Where a user forces it into a character, a decoder has dropped that character.
    assert automaton.next[:, silent].tolist() == [START] * STATES


def test_there_are_as_many_rooms_as_a_character_may_need(automaton):
    """Its first byte said, a character wants three bytes more at most: with room for three, all that is valid fits."""
    rooms = automaton.allowed_with_room()
    assert rooms.shape == (4, STATES, len(BYTES) + len(PARTS))
    assert np.array_equal(rooms[3], automaton.allowed)
    begins = 0xF0  # of a character of four bytes
    assert rooms[:, START, begins].tolist() == [False, False, False, True]
    begun = len(BYTES) + PARTS.index(b"a\xf0\x9f")
    assert rooms[:, START, begun].tolist() == [False, False, True, True]
    assert rooms[:, START, len(BYTES)].all()  # a whole character


def test_a_vocabulary_whose_pieces_finish_characters_at_once_needs_less_room():
    """With two continuation bytes as one piece, no character needs more than two pieces after its first byte."""
    assert len(PieceAutomaton([*BYTES, "日".encode()[1:]]).allowed_with_room()) == 3


def test_partial_pieces_are_those_that_no_text_of_whole_characters_holds(automaton):
    def whole(piece):
        return piece == piece.decode("utf-8", "ignore").encode()

    expected = [number for number, piece in enumerate([*BYTES, *PARTS]) if not whole(piece)]
    assert automaton.partial().tolist() == expected
