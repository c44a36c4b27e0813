"""The library behind `fairseq-bbpe translate`: lines, their parts and their batches, with an engine that echoes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.engines.search_options import Found
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text import pieces_to_text
from fairseq_bbpe.translator import Translator
from fairseq_bbpe.vocabularies import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary

VOCABULARY = Vocabulary.learn(["the cat sat on the mat, 日本語の日本".encode()] * 9, size=290)
LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=9)


class Echo:
    """Translates every part to itself, hypothesis after hypothesis, and remembers the batches."""

    longest_source = 7

    def __init__(self):
        self.batches = []

    def search_all(self, batches, options):
        for batch in batches:
            self.batches.append(batch)
            assert all(0 < len(pieces) <= self.longest_source for pieces in batch)
            yield [[Found(pieces, -float(rank)) for rank in range(options.nbest)] for pieces in batch]


def pieces_of(line: bytes) -> list[str]:
    return VOCABULARY.encode(line).split(" ") if line.decode("utf-8", "replace").strip() else []


@given(LINES)
def test_line_n_is_the_translation_of_line_n(lines):
    engine = Echo()
    found = Translator(engine, VOCABULARY, batch_pieces=20).translate(lines)
    assert len(found) == len(lines)
    for line, text in zip(lines, found, strict=True):
        if len(pieces_of(line)) <= Echo.longest_source:
            assert text == pieces_to_text(" ".join(pieces_of(line)))
        assert bool(pieces_of(line)) or text == ""
    sent = [piece for batch in engine.batches for pieces in batch for piece in pieces]
    assert sorted(sent) == sorted(piece for line in lines for piece in pieces_of(line))
    assert all(len(batch) * (len(batch[0]) + 1) <= 20 for batch in engine.batches)


@given(LINES)
def test_parts_put_together_are_the_line(lines):
    translator = Translator(Echo(), VOCABULARY)
    for line in lines:
        assert [piece for part in translator._parts(pieces_of(line)) for piece in part] == pieces_of(line)


def test_parts_end_between_words_or_else_between_characters():
    translator = Translator(Echo(), VOCABULARY, longest=6)
    text = "a bb cc dd ee ff " + "ж" * 40
    parts = translator._parts(pieces_of(text.encode()))
    assert len(parts) > 5
    spelled = [VOCABULARY.decode(" ".join(part)).decode() for part in parts]  # each is valid: no character is cut
    assert "".join(spelled) == text
    assert spelled[1].startswith(" ")
    assert translator.translate([text]) == [" ".join(part.strip() for part in spelled)]


@pytest.mark.parametrize("vocabulary", [VOCABULARY, CharacterVocabulary.learn([b"the cat"], None)])
def test_blank_lines_of_any_white_space_are_not_translated(vocabulary):
    engine = Echo()
    assert Translator(engine, vocabulary).translate(["", " \t", "\u3000\u2028", "cat"]) == ["", "", "", "cat"]
    assert len(engine.batches) == 1


def test_progress_counts_the_bytes_of_lines():
    steps = []
    lines = [b"the cat", b"", b"sat on the mat", b"!"]
    Translator(Echo(), VOCABULARY, batch_pieces=8).hypotheses(lines, steps.append)
    assert len(steps) > 1
    assert sum(steps) >= sum(map(len, lines)) - len(lines)


def test_too_long_lines_are_refused_by_their_number():
    translator = Translator(Echo(), VOCABULARY, too_long="refuse")
    assert translator.translate(["the cat", "the mat"]) == ["the cat", "the mat"]
    with pytest.raises(UserError, match=r"^line 4: 9 pieces, and the model reads 7: .* --too-long split$"):
        translator.translate(["a", "z" * 9, "z" * 99])


def test_nbest_lines_have_scores_and_are_never_more_than_the_beam():
    translator = Translator(Echo(), VOCABULARY, nbest=3)
    ((one, two, three), empty) = translator.hypotheses([b"the cat", b" "])
    assert [one.score, two.score, three.score] == [0, -1, -2]
    assert [hypothesis.text for hypothesis in empty] == ["", "", ""]
    with pytest.raises(UserError, match="--nbest 6: a beam of 5"):
        Translator(Echo(), VOCABULARY, nbest=6)
    with pytest.raises(UserError, match=r"--max-len-a 0\.49 --max-len-b 0: no translation of a line of one piece may"):
        Translator(Echo(), VOCABULARY, max_len_a=0.49, max_len_b=0)
    Translator(Echo(), VOCABULARY, max_len_a=0.5, max_len_b=0)
    with pytest.raises(UserError, match="--too-long maybe"):
        Translator(Echo(), VOCABULARY, too_long="maybe")


@pytest.mark.parametrize("line", ["日本", b"the cat"])
def test_one_line_without_a_list_is_refused(line):
    with pytest.raises(UserError, match=r"one line of text: give a list of lines, such as \["):
        Translator(Echo(), VOCABULARY).translate(line)


def test_lone_surrogates_are_bytes_as_for_the_vocabulary():
    engine = Echo()
    Translator(engine, VOCABULARY).translate(["\ud83d", "\udcff"])
    assert sorted(pieces for batch in engine.batches for pieces in batch) == sorted(
        [pieces_of(b"\xed\xa0\xbd"), pieces_of(b"\xff")]
    )
    assert pieces_of(b"\xed\xa0\xbd") == VOCABULARY.encode("\ud83d").split()
