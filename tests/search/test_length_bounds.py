"""Bounds on every sentence's length, around any of fairseq's searches."""

import pytest
import torch

fairseq = pytest.importorskip("fairseq")
from fairseq.search import BeamSearch, LexicallyConstrainedBeamSearch, Sampling  # noqa: E402
from fairseq.sequence_generator import SequenceGenerator  # noqa: E402
from test_bytenet import END, PAD, build, dictionary, sentences  # noqa: E402

from fairseq_bbpe.errors import UserError  # noqa: E402
from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator, LengthBounds  # noqa: E402


def test_bounds_are_those_of_each_sentence_also_after_others_are_finished():
    search = LengthBounds(dictionary(), BeamSearch(dictionary()))
    search.set_bounds(torch.tensor([1, 5, 3]), torch.tensor([9, 9, 3]))
    search.prune_sentences(torch.tensor([1, 2]))
    lprobs = torch.randn(2, 1, 24).log_softmax(-1)
    lprobs[:, :, END] = 0.0  # the end is what every sentence would choose
    scores = torch.zeros(2, 1, 9)
    _, chosen, _ = search.step(2, lprobs, scores)  # the third symbol
    assert END not in chosen[0].tolist()
    assert chosen[1, 0] == END
    free_scores, free, _ = BeamSearch(dictionary()).step(5, lprobs, scores)
    search.prune_sentences(torch.tensor([0]))
    kept_scores, kept, _ = search.step(5, lprobs[:1], scores[:1])
    assert kept.tolist() == free[:1].tolist()
    assert torch.equal(kept_scores, free_scores[:1])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    model = build().eval()
    model.decoder.output.bias.data[END] = -100  # that would never end
    return model


def translate(model, source, generator=LengthBoundedGenerator, **options):
    found = generator([model], dictionary(), **{"beam_size": 2, "max_len_a": 1.0, "max_len_b": 2} | options)
    return found.generate([model], {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}})


@torch.no_grad()
def test_a_sentence_may_run_past_its_own_source_and_not_past_its_batchs_longest(model):
    """The end of the sentence comes on top of --max-len-a/b, as in fairseq, which counts it in the source."""
    source = sentences([3, 8])
    assert [len(found[0]["tokens"]) for found in translate(model, source)] == [3 + 2 + 1, 8 + 2 + 1]
    assert [len(found[0]["tokens"]) for found in translate(model, source, SequenceGenerator)] == [11, 11]
    rounded = translate(model, source, max_len_a=1.2, max_len_b=0)
    assert [len(found[0]["tokens"]) for found in rounded] == [3 + 1, 9 + 1]


@torch.no_grad()
def test_within_the_bounds_the_search_is_fairseqs(model):
    source = sentences([6, 6])
    for ours, theirs in zip(translate(model, source), translate(model, source, SequenceGenerator), strict=True):
        assert [h["tokens"].tolist() for h in ours] == [h["tokens"].tolist() for h in theirs]


@torch.no_grad()
def test_other_searches_keep_what_they_need(model):
    torch.manual_seed(1)
    drawn = translate(model, sentences([3, 8]), search_strategy=Sampling(dictionary()))
    assert [len(found[0]["tokens"]) for found in drawn] == [6, 11]
    constrained = LengthBounds(dictionary(), LexicallyConstrainedBeamSearch(dictionary(), "ordered"))
    assert constrained.supports_constraints


def test_lengths_are_fairseqs_to_the_last_bit_and_the_shortest_may_not_pass_them(model):
    """fairseq computes with Python's floats: 0.29 x 100 is less than 29 there, and is 29 in 32 bits."""
    options = {"max_len_a": 0.29, "max_len_b": 0}
    allowed = LengthBoundedGenerator([model], dictionary(), min_len=28, **options)
    shortest, longest = allowed.possible_lengths({"src_tokens": sentences([100, 150])}, None)
    assert shortest.tolist() == [29, 29]  # the end included
    assert longest.tolist() == [int(0.29 * 100) + 1, int(0.29 * 150) + 1] == [29, 44]
    refused = LengthBoundedGenerator([model], dictionary(), min_len=29, **options)
    with pytest.raises(UserError, match="--min-len 29: a source of 100 symbols allows 28"):
        refused.possible_lengths({"src_tokens": sentences([100])}, None)


@pytest.mark.parametrize("bounds", [(1e30, 0), (1e308, 0), (0, 2**63 - 1), (0, 2**64)])
def test_lengths_beyond_all_numbers_are_the_models_longest(bounds, model):
    a, b = bounds
    generator = LengthBoundedGenerator([model], dictionary(), max_len_a=a, max_len_b=b)
    _, longest = generator.possible_lengths({"src_tokens": sentences([3, 8])}, None)
    assert longest.tolist() == [generator.max_len] * 2
