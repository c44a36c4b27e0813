"""tiktoken segments exactly as sentencepiece does, or is not used."""

import random
import struct

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.text.alphabet import SYMBOLS
from fairseq_bbpe.vocabularies import ranked_merges
from fairseq_bbpe.vocabularies.byte_level import UNKNOWN, Vocabulary
from fairseq_bbpe.vocabularies.training import train

pytest.importorskip("tiktoken", reason="needs the extra 'fast'")

ENGLISH = [b"the cat sat on the mat, and the rat that the cat had sat on sat there too"]
JAPANESE = ["ねこはマットの上にすわった。ねずみもマットの上にすわった。".encode()]
REPEATS = [b"aaaa aaaaaaa abababa aab baa bbbbb  aaa", b"abcabcabcab cabc bca"] * 3
NOISE = [random.Random(1).randbytes(4000)] * 2
VOCABULARIES = {
    "spaces": Vocabulary.learn(ENGLISH * 3 + JAPANESE, 330),
    "no spaces": Vocabulary.learn(JAPANESE * 3, 300),
    "repeats": Vocabulary.learn(REPEATS, 275),
    "noise": Vocabulary.learn(NOISE, 400),
    "bytes": Vocabulary.learn([], 256),
}
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=30).map(str.encode),
        st.text("ab ", max_size=60).map(str.encode),
        st.text("the catsmord,  ねこマットすわた上", max_size=60).map(str.encode),
        st.text(" \n\ta\u3000", max_size=9).map(str.encode),
    ),
    max_size=12,
)


@pytest.fixture(params=VOCABULARIES, scope="module")
def vocabulary(request):
    found = VOCABULARIES[request.param]
    assert found._merges is not None
    return found


@given(lines=LINES, workers=st.integers(1, 3))
def test_any_lines_segment_as_by_sentencepiece(vocabulary, lines, workers):
    expected = vocabulary.encode_lines_by_sentencepiece(lines)
    assert vocabulary.encode_lines(lines, workers) == expected
    by_tiktoken = vocabulary._merges.encode_lines(lines, workers)
    for line, pieces, others in zip(lines, by_tiktoken, expected, strict=True):
        text = line.decode("utf-8", "ignore").encode() == line and b"\n" not in line
        assert pieces == (others if text else None)


@pytest.mark.parametrize(
    "line", [b"a" * 100_000, b"ab" * 40_000, bytes(random.Random(2).choices(b"thecas ", k=90_000))]
)
def test_long_lines_segment_as_by_sentencepiece(vocabulary, line):
    assert vocabulary.encode_lines([line]) == vocabulary.encode_lines_by_sentencepiece([line])


def with_pieces(scored: dict[str, float], **fields) -> bytes:
    """The vocabulary of bytes with further pieces, written as protobuf: field 1 of the model, of which 1 is the piece,
    2 its score, and 3 its type."""
    model = VOCABULARIES["bytes"].model
    for piece, score in scored.items():
        message = bytes([10, len(piece)]) + piece.encode() + b"\x15" + struct.pack("<f", score)
        message += bytes([24, fields["type"]]) if "type" in fields else b""
        model += bytes([10, len(message)]) + message
    return model


def test_a_piece_that_no_merges_end_in_is_left_to_sentencepiece():
    """ "bc" is joined first, so "abcd" is never reached, but tiktoken would take the word as the piece that it is."""
    vocabulary = Vocabulary(with_pieces({"bc": 4.0, "ab": 3.0, "cd": 2.0, "abcd": 1.0}))
    assert vocabulary._merges is None
    assert vocabulary.encode_lines([b"abcd"]) == ["a bc d"]
    reached = Vocabulary(with_pieces({"ab": 4.0, "bc": 3.0, "cd": 2.0, "abcd": 1.0}))
    assert reached._merges is not None
    assert reached.encode_lines([b"abcd", b"abc"]) == ["abcd", "ab c"]


def test_equal_scores_and_pieces_of_other_types_are_left_to_sentencepiece():
    assert Vocabulary(with_pieces({"ab": 2.0, "bc": 1.0}))._merges is not None
    assert Vocabulary(with_pieces({"ab": 2.0, "bc": 2.0}))._merges is None
    assert Vocabulary(with_pieces({"ab": 2.0}, type=1))._merges is not None
    assert Vocabulary(with_pieces({"ab": 2.0}, type=4))._merges is None  # USER_DEFINED


def test_a_unigram_model_is_left_to_sentencepiece():
    options = {"unk_piece": UNKNOWN, "unk_id": 0, "bos_id": -1, "eos_id": -1, "add_dummy_prefix": False}
    text = [*SYMBOLS, *["the cat sat on the mat".replace(" ", "▁")] * 9]
    model = train(
        text,
        258,
        own_pieces=1,
        workers=1,
        verbose=False,
        model_type="unigram",
        remove_extra_whitespaces=False,
        **options,
    )
    assert sentencepiece.SentencePieceProcessor(model_proto=model).encode("the", out_type=str)
    assert Vocabulary(model)._merges is None


def test_without_tiktoken_nothing_changes(monkeypatch):
    known = VOCABULARIES["spaces"]
    monkeypatch.setattr(ranked_merges, "tiktoken", None)
    without = Vocabulary(known.model)
    assert without._merges is None
    assert without.encode_lines(ENGLISH + NOISE) == known.encode_lines(ENGLISH + NOISE)
