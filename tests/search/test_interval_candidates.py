"""Which intervals are searched for a sentence, where flags or prefixes want lengths that training never saw."""

import pytest
import torch
from test_bytenet import PAD, build, dictionary, sentences

from fairseq_bbpe.search.intervals import IntervalSearch


@pytest.fixture
def generator():
    """Intervals of 10 symbols: sources of the first have targets of the first, others of the third and the fifth."""
    model = build(norm="sub_batch", bucket_longest=50).eval()
    model.buckets.count(torch.tensor([5] * 90 + [15] * 90), torch.tensor([5] * 90 + [25] * 45 + [45] * 45))
    return IntervalSearch([model], dictionary(), max_len_a=0, max_len_b=60, beam_size=2)


def candidates(generator, lengths, shortest, longest):
    found = generator._candidates(sentences(lengths), torch.tensor(shortest), torch.tensor(longest))
    assert all(isinstance(number, int) for candidate in found for number in candidate)
    return found


def bounds(generator):
    """What lengths each set of statistics serves: those of rare intervals go to the nearest."""
    return {number: generator.model.single_model.buckets.bounds(number) for number in (0, 2, 4)}


def test_an_interval_is_searched_within_the_lengths_that_are_possible(generator):
    assert bounds(generator) == {0: (1, 20), 2: (21, 40), 4: (41, None)}
    assert candidates(generator, [5, 15], [1, 1], [61, 61]) == [(0, 0, 1, 20), (1, 2, 21, 40), (1, 4, 41, 61)]
    assert candidates(generator, [5, 15], [7, 30], [15, 61]) == [(0, 0, 7, 15), (1, 2, 30, 40), (1, 4, 41, 61)]
    assert candidates(generator, [15], [1], [40]) == [(0, 2, 21, 40)]
    assert candidates(generator, [15], [1], [41]) == [(0, 2, 21, 40), (0, 4, 41, 41)]
    assert candidates(generator, [15], [41], [61]) == [(0, 4, 41, 61)]


def test_where_no_interval_is_possible_the_nearest_serves(generator):
    assert candidates(generator, [5], [21], [61]) == [(0, 0, 21, 61)]
    assert candidates(generator, [15], [1], [9]) == [(0, 2, 1, 9)]
    generator.model.single_model.buckets.count(
        torch.tensor([15] * 90 + [25] * 90), torch.tensor([5] * 45 + [45] * 45 + [25] * 90)
    )
    assert candidates(generator, [15], [24], [26]) == [(0, 0, 24, 26)]  # 20 is nearer to 24 than 41 to 26
    assert candidates(generator, [15], [34], [36]) == [(0, 4, 34, 36)]


def test_sources_of_one_interval_share_its_candidates(generator, monkeypatch):
    asked = []
    buckets = generator.model.single_model.buckets
    common = buckets.candidates
    monkeypatch.setattr(buckets, "candidates", lambda length, share: (asked.append((length, share)), common(length))[1])
    found = candidates(generator, [1, 10, 11, 20, 5], [1] * 5, [61] * 5)
    assert [(row, number) for row, number, _, _ in found] == [
        *((0, 0), (1, 0)),
        *((2, 2), (2, 4), (3, 2), (3, 4)),
        (4, 0),
    ]
    assert asked == [(1, 0.005), (11, 0.005)]


@torch.no_grad()
def test_candidates_of_like_lengths_run_together(generator, monkeypatch):
    """So that a batch does not wait for its longest; and padding is none of a source's length."""
    ran = []

    def generate(self, sample, prefix_tokens=None, **_):
        source = sample["net_input"]["src_tokens"]
        lengths = sample["net_input"]["src_lengths"]
        assert lengths.tolist() == source.ne(PAD).sum(1).tolist()
        ran.append((sample["net_input"]["statistics"].tolist(), lengths.tolist(), sample["id"].tolist()))
        return [[{"score": -float(row), "tokens": source[row]}] for row in range(len(source))]

    monkeypatch.setattr("fairseq_bbpe.search.beam_search.BeamSearchGenerator._generate", generate)
    source = sentences([15, 5, 12])
    sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}, "id": torch.tensor([7, 8, 9])}
    found = generator.generate(generator.model.models, sample)
    assert ran == [([0, 2, 2], [5, 15, 12], [8, 7, 9]), ([4, 4], [15, 12], [7, 9])]
    assert [[h["score"] for h in hypotheses] for hypotheses in found] == [[0, -1], [0], [-1, -2]]
