"""The alphabet is a bijection whose symbols survive every tool between the text and the model."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS, bytes_to_symbols, symbols_to_bytes

ALL_BYTES = bytes(range(256))


@given(st.binary())
def test_any_bytes_survive(data):
    assert symbols_to_bytes(bytes_to_symbols(data)) == data


def test_every_byte_has_a_symbol_of_its_own():
    assert bytes_to_symbols(ALL_BYTES) == SYMBOLS
    assert len(set(SYMBOLS)) == 256


def test_symbols_are_visible_and_of_one_script_with_ascii_letters():
    assert not any(symbol.isspace() for symbol in SYMBOLS)
    assert all(symbol.isprintable() for symbol in SYMBOLS)
    # sentencepiece merges within one script only: every byte of a multi-byte character must be a Latin letter.
    assert all(unicodedata.name(symbol).startswith("LATIN ") for symbol in SYMBOLS[0x80:])
    printable = range(0x21, 0x7F)
    assert [SYMBOLS[byte] for byte in printable] == [chr(byte) for byte in printable]
    assert SYMBOLS[0x20] == SPACE


@given(st.text(st.characters(exclude_characters=SYMBOLS, exclude_categories=("Cs",))))
def test_foreign_characters_give_their_own_utf8(text):
    assert symbols_to_bytes(text) == text.encode()


@given(st.text(st.characters(exclude_characters=SYMBOLS, exclude_categories=("Cs",)), min_size=1), st.binary())
def test_foreign_characters_leave_their_neighbours_alone(foreign, data):
    symbols = bytes_to_symbols(data)
    assert symbols_to_bytes(symbols + foreign + symbols) == data + foreign.encode() + data


def test_lone_surrogates_are_undecodable_bytes_or_question_marks():
    assert symbols_to_bytes(b"a\xff".decode("utf-8", "surrogateescape")) == b"a\xff"
    assert symbols_to_bytes("a\ud800") == b"a?"
