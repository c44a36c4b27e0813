"""Recovery equals Eq. 1 written out, loses no valid character, and keeps one sentence on one line."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import bytes_to_symbols
from fairseq_bbpe.text.recovery import ON_INVALID, pieces_to_text, recover, recover_by_dynamic_programming

# Bytes at the edges of UTF-8: leads and trails of every length, surrogates, overlong forms, beyond U+10FFFF.
edges = st.lists(st.sampled_from([0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xE3, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]))
broken = st.one_of(st.binary(max_size=60), edges.map(bytes))


@st.composite
def corrupted(draw):
    """Valid text in which some bytes were replaced, dropped or repeated: what a half-trained model writes."""
    data = bytearray(draw(st.text(min_size=1, max_size=20)).encode())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        data[place : place + 1] = draw(st.sampled_from([b"", bytes(data[place : place + 1]) * 3, b"\xe3", b"\x80"]))
    return bytes(data)


@given(st.one_of(broken, corrupted()))
@example(bytes.fromhex("E697 E697A5 A5"))
def test_equals_equation_1(data):
    assert recover(data) == recover_by_dynamic_programming(data)


@given(st.text())
def test_valid_text_is_left_alone(text):
    assert {recover(text.encode(), mode) for mode in ("recover", "replace", "strict")} == {text}


@given(st.lists(st.text(min_size=1)), st.lists(st.integers(0x80, 0xBF), min_size=1).map(bytes))
def test_one_mark_for_each_run_of_dropped_bytes(texts, trails):
    # Trail bytes alone are never valid: between texts they make exactly one run each.
    assert recover(trails.join(text.encode() for text in texts), "replace") == "\ufffd".join(texts)


@given(st.one_of(broken, corrupted()))
def test_replace_drops_what_recover_drops(data):
    marked = recover(data, "replace")
    assert marked.replace("\ufffd", "") == recover(data).replace("\ufffd", "")
    dropped = len(data) - len(recover(data).encode())
    assert ("\ufffd" in marked) == (dropped > 0 or "\ufffd" in recover(data))


@given(st.text(), st.binary(max_size=5))
def test_strict_names_the_first_byte_that_belongs_to_nothing(text, rest):
    data = text.encode() + b"\xff" + rest
    with pytest.raises(UserError, match=rf"^byte {len(text.encode())} \(0xFF\)"):
        recover(data, "strict")


def test_unknown_mode_is_refused():
    assert {recover(b"a", mode) for mode in ON_INVALID} == {"a"}
    with pytest.raises(UserError, match=r"'ignore'.*recover, replace, strict$"):
        recover(b"", "ignore")


@given(st.one_of(st.text(), st.sampled_from(["a\r\nb", "a\u2028b\u2029c", "\x1c\x1d\x1e\x1f\x85\v\f"])))
def test_decoded_text_stays_on_one_line(text):
    line = pieces_to_text(" ".join(bytes_to_symbols(text.encode())))
    assert len(line) == len(text)
    assert len((line + "|").splitlines()) == 1
    assert line == re.sub("[\n\v\f\r\x1c-\x1f\x85\u2028\u2029]", " ", text)


@given(st.text())
def test_any_string_is_a_hypothesis(pieces):
    assert isinstance(pieces_to_text(pieces), str)


def test_fairseq_symbols_in_a_hypothesis_stay_text():
    assert pieces_to_text("Ħ a <unk> b ⁇") == "a<unk>b⁇"


def test_linear_time():
    def seconds(size):
        data = b"\xe3\x81\xe3\x81\x82" * (size // 5)
        start = time.perf_counter()
        recover(data)
        return time.perf_counter() - start

    # Quadratic time would be 4096 times as long; a busy machine is not.
    assert min(seconds(64 * 50_000) for _ in range(3)) < 1000 * min(seconds(50_000) for _ in range(5))
