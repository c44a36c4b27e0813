"""Which hypotheses a beam search goes on with and which end: on a few candidates, by fairseq's rules."""

import math

from fairseq_bbpe.search.beams import Beams

EOS = 2


def test_what_ends_below_the_best_is_not_kept():
    """A beam of 2: of four candidates, the end of a sentence counts as the first or second best."""
    beams = Beams(batch=1, beam=2, eos=EOS)
    assert beams.advance([[-1.0, -2.0, -3.0, -4.0]], [[5, 6, EOS, 7]], [[0, 0, 0, 0]]) == [0]
    assert beams.ended == [[]]
    assert beams.history[0].pieces == [5, 6]


def test_a_sentence_goes_on_until_as_many_as_its_beam_have_ended():
    beams = Beams(batch=2, beam=2, eos=EOS)
    first = [[-1.0, -2.0, -3.0, -4.0], [-1.0, -1.5, -2.0, -3.0]]
    assert beams.advance(first, [[EOS, 5, 6, 7], [5, 6, 7, 8]], [[0] * 4, [0] * 4]) == [0, 1]
    assert beams.history[0].pieces == [5, 6, 5, 6]
    second = [[-2.5, -2.6, -2.7, -2.8], [-2.0, -2.5, -3.0, -3.5]]
    assert beams.advance(second, [[EOS, 7, 8, 9], [8, 7, 6, 5]], [[1, 0, 0, 1], [1, 0, 0, 1]]) == [1]
    assert [each.pieces for each in beams.ended[0]] == [[EOS], [6, EOS]]
    assert [each.scores for each in beams.ended[0]] == [[-1.0], [-3.0, -2.5]]
    assert [each.rows for each in beams.ended[0]] == [[0], [0, 1]]
    assert beams.history[1].parents == [3, 2]  # in the numbers of both sentences' rows


def test_a_row_that_only_fills_the_beam_ends_nothing():
    """Two candidates alone, one of which ends: the other goes on, beside a row that must not end once more."""
    beams = Beams(batch=1, beam=2, eos=EOS)
    assert beams.advance([[-1.0, -2.0]], [[EOS, 5]], [[0, 0]]) == [0]
    assert beams.history[0].pieces == [5, EOS]
    assert beams.advance([[-3.0, -4.0, -5.0, -6.0]], [[6, EOS, 7, 8]], [[0, 1, 0, 0]]) == [0]
    assert len(beams.ended[0]) == 1


def test_what_only_filled_the_beam_makes_room_for_the_next_best():
    """As fairseq has it, the candidate in the place of the row that only filled the beam stands back once."""
    beams = Beams(batch=1, beam=2, eos=EOS)
    beams.advance([[-1.0, -2.0]], [[EOS, 5]], [[0, 0]])
    assert beams.advance([[-3.0, -4.0, -5.0, -6.0]], [[6, 7, 8, 9]], [[0, 1, 0, 0]]) == [0]
    assert beams.history[1].pieces == [6, 8]
    beams.advance([[-3.0, -4.0, -5.0, -6.0]], [[6, 7, 8, 9]], [[0, 1, 0, 0]])
    assert beams.history[2].pieces == [6, 7]


def test_what_has_no_probability_ends_nothing():
    beams = Beams(batch=1, beam=3, eos=EOS)
    assert beams.advance([[-1.0, -math.inf, -math.inf]], [[4, EOS, 5]], [[0, 0, 0]]) == [0]
    assert beams.ended == [[]]
