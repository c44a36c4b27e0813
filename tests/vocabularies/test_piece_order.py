"""Pieces come by how often they occur, so that fairseq's dictionary does."""

from collections import Counter
from random import Random

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from fairseq_bbpe.text.alphabet import SYMBOLS, bytes_to_symbols
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.vocabularies.merge_dropout import segment_with_dropout
from fairseq_bbpe.vocabularies.model_proto import reordered
from fairseq_bbpe.vocabularies.training import EvenSample, by_frequency

TEXT = [b"the cat sat on the mat", b"that cat, that mat", "żółw".encode()] * 4


@given(st.lists(st.text("ab", max_size=9)), st.integers(1, 40))
def test_an_even_sample_is_every_nth_line_within_its_size(lines, size):
    sample = EvenSample(size)
    assert [sample.add(line) for line in lines] == lines
    step = next(2**power for power in range(20) if lines[:: 2**power] == sample.lines)
    total = sum(map(len, sample.lines))
    assert total <= size or len(sample.lines) == 1
    # No coarser than it has to be: with half the step it was too large once.
    assert step == 1 or sum(map(len, lines[:: step // 2])) > size


@pytest.mark.parametrize("kind", [Vocabulary, CharacterVocabulary, FairseqVocabulary])
def test_pieces_come_by_descending_frequency(kind):
    vocabulary = kind.learn(TEXT, {Vocabulary: 270}.get(kind, 30))
    counts = Counter(" ".join(vocabulary.encode_lines(TEXT)).split())
    if kind is Vocabulary:
        counts.update(SYMBOLS)  # each is a line of its own in what is learned from
    ordered = [counts[piece] for piece in vocabulary.pieces]
    assert ordered == sorted(ordered, reverse=True)
    assert ordered[0] > ordered[-1]


def test_another_order_segments_alike():
    vocabulary = Vocabulary.learn(TEXT, 270)
    other = by_frequency(vocabulary.model, [bytes_to_symbols(b"zzz qqq q the")])
    reordered = Vocabulary(other)
    assert reordered.pieces[0] == "q"
    assert sorted(reordered.pieces) == sorted(vocabulary.pieces) != reordered.pieces
    assert reordered.encode_lines_by_sentencepiece(TEXT) == vocabulary.encode_lines_by_sentencepiece(TEXT)
    before, after = (sentencepiece.SentencePieceProcessor(model_proto=model) for model in (vocabulary.model, other))
    assert {p: after.get_score(after.piece_to_id(p)) for p in vocabulary.pieces} == {
        p: before.get_score(before.piece_to_id(p)) for p in vocabulary.pieces
    }


# Merges that take each other's symbols: which comes first decides.
LEARNED = Vocabulary.learn([b"bc"] * 9 + [b"ab"] * 7 + [b"ca"] * 5 + [b"cabc", b"aab"] * 2, 261)
REVERSED = Vocabulary(reordered(LEARNED.model, [0, *range(len(LEARNED), 0, -1)]))


@pytest.mark.parametrize("vocabulary", [LEARNED, REVERSED], ids=["learned", "reversed"])
@given(line=st.text("abc ").map(str.encode))
@example(line=b"abcabacbca")
def test_merges_are_preferred_in_their_own_order_whatever_that_of_the_pieces(vocabulary, line):
    ranks = {piece: rank for rank, piece in enumerate(vocabulary.merge_order)}
    symbols = bytes_to_symbols(line)
    expected = LEARNED.encode_lines_by_sentencepiece([line])[0].split()
    assert segment_with_dropout(symbols, ranks, 0.0, Random(1)) == expected
    assert vocabulary.resegment(list(symbols), 0.0, seed=1) == expected


def test_the_order_of_merges_holds_every_piece_once():
    assert REVERSED.pieces == LEARNED.pieces[::-1]
    assert REVERSED.merge_order == LEARNED.merge_order
    assert sorted(LEARNED.merge_order) == sorted(LEARNED.pieces)
