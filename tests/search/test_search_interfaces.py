"""What a search that wraps another hands on to it, and how long fairseq's generator lets hypotheses become."""

from types import SimpleNamespace

import pytest
import torch
from fairseq.search import Search
from test_bytenet import END, PAD, dictionary, sentences

from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator, LengthBounds
from fairseq_bbpe.search.utf8_automaton import PieceAutomaton
from fairseq_bbpe.search.valid_utf8 import BatchBounds, ValidUTF8Search, set_longest


class Told(Search):
    """A search that remembers what it was told."""

    def __init__(self, supports_constraints=True, stop_on_max_len=True):
        super().__init__(dictionary())
        self.supports_constraints, self.stop_on_max_len = supports_constraints, stop_on_max_len
        self.heard = []

    def set_src_lengths(self, src_lengths):
        self.heard.append(("lengths", src_lengths))

    def init_constraints(self, batch_constraints, beam_size):
        self.heard.append(("constraints", batch_constraints, beam_size))

    def prune_sentences(self, batch_idxs):
        self.heard.append(("pruned", batch_idxs))

    def update_constraints(self, active_hypos):
        self.heard.append(("active", active_hypos))


def bounded(search):
    wrapper = LengthBounds(dictionary(), search)
    wrapper.set_bounds(torch.tensor([1, 2]), torch.tensor([3, 4]))
    return wrapper


def valid(search):
    return ValidUTF8Search(dictionary(), search, PieceAutomaton([bytes([byte]) for byte in range(256)]), BatchBounds())


@pytest.mark.parametrize("wrap", [bounded, valid])
@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_everything_is_handed_on(wrap, flags):
    inner = Told(*flags)
    outer = wrap(inner)
    assert (outer.supports_constraints, outer.stop_on_max_len) == flags
    lengths, kept, active = torch.tensor([5, 6]), torch.tensor([1]), torch.tensor([[0, 1]])
    outer.set_src_lengths(lengths)
    outer.init_constraints("constraints", 3)
    outer.prune_sentences(kept)
    outer.update_constraints(active)
    expected = [("lengths", lengths), ("constraints", "constraints", 3), ("pruned", kept), ("active", active)]
    assert inner.heard == expected


@pytest.mark.parametrize(
    ("options", "longest"),
    [
        ({"match_source_len": True}, 6 + 1),  # the longest source without its end
        ({}, 1.5 * 9 // 1 + 4 + 1),  # of the padded width
        ({"max_len": 8}, 7 + 1),
        ({"max_len_a": 1e308}, 98 + 1),
    ],
)
def test_bounds_are_those_of_fairseqs_generator(options, longest):
    source = torch.full((2, 9), PAD)
    source[0, :7], source[1, :4] = sentences([7])[0], sentences([4])[0]
    bounds = BatchBounds()
    generator = SimpleNamespace(
        **{"match_source_len": False, "max_len_a": 1.5, "max_len_b": 4, "max_len": 99, "eos": END, "pad": PAD}
        | options,
        search=SimpleNamespace(bounds=bounds),
    )
    set_longest(generator, {"net_input": {"src_tokens": source}})
    assert bounds.longest.tolist() == [longest]
    set_longest(SimpleNamespace(), {})  # a generator that does not search


def possible(prefix=None, **options):
    """Bounds of two sources of 3 and 8 symbols, with 1.5 |s| + 2 at most."""
    asked = SimpleNamespace(
        **{"max_len_a": 1.5, "max_len_b": 2, "max_len": 99, "min_len": 1, "pad": PAD, "eos": END} | options
    )
    net_input = {"src_tokens": sentences([3, 8])}
    return [bound.tolist() for bound in LengthBoundedGenerator.possible_lengths(asked, net_input, prefix)]


def test_the_lengths_that_flags_and_prefixes_leave():
    """Each counts the end of the sentence, which --min-len and --max-len-a/b do not."""
    assert possible() == [[2, 2], [6 + 1, 14 + 1]]
    assert possible(min_len=5) == [[6, 6], [7, 15]]
    assert possible(min_len=9) == [[10, 10], [10, 15]]  # more than the first source's own limit
    assert possible(max_len=11) == [[2, 2], [7, 11]]
    prefix = torch.tensor([[5, 6, 7, PAD], [5, 6, 7, 8]])
    assert possible(prefix) == [[4, 5], [7, 15]]
    assert possible(prefix, min_len=4) == [[5, 5], [7, 15]]
    ended = torch.tensor([[5, 6, END, PAD], [5, 6, 7, 8]])
    assert possible(ended, min_len=6) == [[3, 7], [3, 15]]
    longer = torch.full((2, 9), 5)
    assert possible(longer) == [[10, 10], [10, 15]]
    assert possible(torch.full((2, 20), 5)) == [[15, 15], [15, 15]]
