"""A character is begun only where it can be finished before the longest length, and wherever it can."""

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.search import BeamSearch, LengthConstrainedBeamSearch

from fairseq_bbpe.search.utf8_automaton import PieceAutomaton, dictionary_pieces
from fairseq_bbpe.search.valid_utf8 import BatchBounds, ValidUTF8Search
from fairseq_bbpe.text.alphabet import SYMBOLS, bytes_to_symbols


@pytest.fixture(scope="module")
def dictionary():
    found = Dictionary()
    for symbol in SYMBOLS:
        found.add_symbol(symbol)
    return found


def chooses_to_begin(dictionary, search, longest, before, character) -> bool:
    """Whether a search that would like to begin `character` after `before` does so."""
    lead, other = (dictionary.index(bytes_to_symbols(byte)) for byte in (character.encode()[:1], b"x"))
    previous = [dictionary.eos(), *(dictionary.index(letter) for letter in before)]
    bounds = BatchBounds()
    bounds.longest = torch.tensor([longest])
    search = ValidUTF8Search(dictionary, search, PieceAutomaton(dictionary_pieces(dictionary)), bounds)
    scores = torch.zeros(1, 1, len(dictionary))
    scores[0, 0, lead], scores[0, 0, other] = 9, 5
    step = len(before)
    _, pieces, _ = search.step(step, scores.log_softmax(-1), torch.zeros(1, 1, 50), torch.tensor([previous]))
    assert pieces[0, 0] in (lead, other)
    return pieces[0, 0] == lead


CASES = [
    pytest.mark.parametrize("before", ["", "ab"]),
    pytest.mark.parametrize("character", ["é", "日", "😀"]),
    pytest.mark.parametrize("spare", [-1, 0, 1, 40]),
]


def cases(test):
    for mark in CASES:
        test = mark(test)
    return test


@cases
def test_a_character_is_begun_where_all_of_it_fits(dictionary, before, character, spare):
    """`longest` counts the end of the sentence, and what stands there already."""
    longest = len(before) + len(character.encode()) + 1 + spare
    assert chooses_to_begin(dictionary, BeamSearch(dictionary), longest, before, character) == (spare >= 0)


@cases
def test_and_before_the_length_that_the_search_itself_gives_a_source(dictionary, before, character, spare):
    """`--match-source-len`, more generally: a length a |s| + b without the end of the sentence, here |s| + 1."""
    search = LengthConstrainedBeamSearch(dictionary, min_len_a=0, min_len_b=0, max_len_a=1, max_len_b=1)
    search.set_src_lengths(torch.tensor([len(before) + len(character.encode()) + spare - 1]))
    assert chooses_to_begin(dictionary, search, 99, before, character) == (spare >= 0)
