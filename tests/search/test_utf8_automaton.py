"""The automaton against Python's decoder: every sequence of up to four bytes that matter, and of up to four pieces."""

from itertools import product

import numpy as np
import pytest
from fairseq.data import Dictionary
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.search.utf8_automaton import (
    DEAD,
    LOOKBACK,
    START,
    STATES,
    PieceAutomaton,
    byte_transitions,
    dictionary_pieces,
)
from fairseq_bbpe.vocabularies import Vocabulary

# The ends of every range of Table 3-7 in the Unicode Standard.
ENDS = bytes.fromhex("00 7F 80 8F 90 9F A0 BF C0 C1 C2 DF E0 E1 EC ED EE EF F0 F1 F3 F4 F5 FF")
# Every way in which a character can go on: one of these begins each valid rest of 1, 2 or 3 bytes.
RESTS = [b""] + [bytes([first]) + b"\x80" * more for first in (0x80, 0x90, 0xA0) for more in range(3)]

PIECES = [
    *(b"a", b"\x80", b"\x90", b"\xbf", b"\xc3", b"\xe0", b"\xed", b"\xf0", b"\xf1", b"\xf4", b"\xff"),
    *(
        b"\x80\x80",
        b"\x90\x80\x80",
        b"\xa0\xbfb",
        b"\x80\xe6",
        b"\xe6\x97",
        b"\xf0\x9f\x98",
        b"\xe0\x80",
        b"\xe6\x97\xa5",
    ),
    b"",
]


def is_valid(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def may_become_valid(data: bytes) -> bool:
    return any(is_valid(data + rest) for rest in RESTS)


def test_bytes_as_python_decodes_them():
    after = byte_transitions().tolist()
    every = [bytes(pair) for length in (1, 2) for pair in product(range(256), repeat=length)]
    for text in every + [bytes(four) for length in (3, 4) for four in product(ENDS, repeat=length)]:
        state = START
        for byte in text:
            state = after[state][byte]
        assert (state == START) == is_valid(text), text
        assert (state != DEAD) == may_become_valid(text), text


@pytest.fixture(scope="module")
def automaton():
    return PieceAutomaton(PIECES)


def paths(automaton, length):
    """Every sequence of `length` pieces that the automaton allows, with the state after it."""
    found = [((), START)]
    for _ in range(length):
        found = [
            ((*path, piece), automaton.next[state, piece])
            for path, state in found
            for piece in np.flatnonzero(automaton.allowed[state])
        ]
    return found


def spell(path) -> bytes:
    return b"".join(PIECES[piece] for piece in path)


def test_every_sequence_of_up_to_four_pieces(automaton):
    silent = PIECES.index(b"")
    for length in range(1, 5):
        allowed = dict(paths(automaton, length))
        expected = set()
        for path in product(range(len(PIECES)), repeat=length):
            between = all(is_valid(spell(path[:n])) for n, piece in enumerate(path) if piece == silent)
            if between and may_become_valid(spell(path)):
                expected.add(path)
        assert set(allowed) == expected
        assert all((state == START) == is_valid(spell(path)) for path, state in allowed.items())


def test_the_last_pieces_tell_the_state(automaton):
    for length in range(1, 5):
        for path, state in paths(automaton, length):
            seen = START
            for piece in path[-LOOKBACK:]:
                seen = automaton.next[seen, piece]
            assert seen == state, spell(path)


def test_what_is_not_partial_is_whole_characters(automaton):
    whole = np.setdiff1d(np.arange(len(PIECES)), automaton.partial())
    assert [PIECES[piece] for piece in whole] == [piece for piece in PIECES if is_valid(piece)]
    assert (automaton.next[:, whole] == START).all()
    assert automaton.allowed_with_room()[:, START, whole].all()


def test_with_room_for_so_many_pieces_more_the_character_can_be_finished(automaton):
    rooms = automaton.allowed_with_room()
    reached = {state: path for length in range(4) for path, state in paths(automaton, length)}
    assert set(reached) == set(range(STATES))
    for room, (state, path) in product(range(len(rooms)), reached.items()):
        for piece in range(len(PIECES)):
            if not automaton.allowed[state, piece]:
                assert not rooms[room, state, piece]
                continue
            begun = spell((*path, piece))
            ends = any(
                is_valid(begun + spell(rest)) for n in range(room + 1) for rest in product(range(len(PIECES)), repeat=n)
            )
            assert rooms[room, state, piece] == ends, (room, begun)


@given(st.binary(max_size=40))
def test_after_what_is_not_valid_the_state_is_that_of_a_decoder_which_drops_it(data):
    automaton = PieceAutomaton([bytes([byte]) for byte in range(256)])
    state = START
    for byte in data:
        state = automaton.next[state, byte]

    def characters(text: bytes) -> int:
        return len(text.decode("utf-8", "ignore"))

    # A character is unfinished just where such a rest, and no shorter one, completes it.
    completing = [
        rest for rest in RESTS[1:] if characters(data + rest) > characters(data) == characters(data + rest[:-1])
    ]
    assert completing == [rest for rest in RESTS[1:] if state != START and _ends(automaton, state, rest)]


def _ends(automaton, state, rest):
    for byte in rest:
        if not automaton.allowed[state, byte]:
            return False
        state = automaton.next[state, byte]
    return state == START


def dictionary(pieces) -> Dictionary:
    made = Dictionary()
    for piece in pieces:
        made.add_symbol(piece)
    return made


def test_a_byte_level_dictionary_spells_bytes_and_another_none():
    vocabulary = Vocabulary.learn(["日本 語日本".encode()] * 9, size=260)
    pieces = dictionary_pieces(dictionary([*vocabulary.pieces, "madeupword0000"]))
    assert [pieces[i] for i in range(4)] == [b"", b"", b"", b"<unk>"]
    assert pieces[4:-1] == [vocabulary.spell(piece) for piece in vocabulary.pieces]
    assert pieces[-1] == b"madeupword0000"
    assert dictionary_pieces(dictionary("abcé▁")) is None
