"""Length intervals: whose statistics serve a length, and which target lengths are common for a source (Section 6)."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.modules import length_buckets
from fairseq_bbpe.modules.length_buckets import LengthBuckets

counts = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 5)), min_size=1, max_size=12)


def counted(pairs, width=10, longest=50):
    """Buckets of training pairs (source length, target length, how many)."""
    buckets = LengthBuckets(width, longest)
    source, target = zip(*(pair[:2] for pair in pairs for _ in range(pair[2])), strict=True)
    buckets.count(torch.tensor(source), torch.tensor(target))
    return buckets


@given(width=st.integers(1, 40), intervals=st.integers(1, 12), length=st.integers(1, 600))
def test_a_length_lies_in_the_interval_that_ends_at_the_nearest_greater_multiple(width, intervals, length):
    interval = int(LengthBuckets(width, longest=width * intervals).interval(torch.tensor(length)))
    padded = next(multiple for multiple in range(width, 601 + width, width) if multiple >= length)
    assert interval == min(padded // width, intervals) - 1


@given(pairs=counts, share=st.sampled_from([0.001, 0.2]))
def test_a_rare_target_interval_has_the_statistics_of_the_nearest_that_is_not(pairs, share):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(length_buckets, "SMALLEST_SHARE", share)
        buckets = counted(pairs)
        number = [0] * 5
        for _, target, many in pairs:
            number[min((target - 1) // 10, 4)] += many
        frequent = [i for i in range(5) if number[i] >= max(2, share * sum(number))] or [number.index(max(number))]
        for length in range(1, 70):
            interval = min((length - 1) // 10, 4)
            nearest = min(frequent, key=lambda other: (abs(other - interval), other))
            served = int(buckets.statistics(torch.tensor(length)))
            assert served == nearest
            first, last = buckets.bounds(served)
            assert first <= length <= (last or length)
        ends = sorted(buckets.bounds(int(s)) for s in buckets.statistics(torch.arange(1, 60)).unique())
        assert ends[0][0] == 1
        assert ends[-1][1] is None
        assert all(end + 1 == begin for (_, end), (begin, _) in itertools.pairwise(ends))


def test_candidates_are_the_target_intervals_common_for_a_source_as_long():
    buckets = counted([(15, 5, 3), (15, 15, 90), (15, 25, 107), (45, 45, 50)])
    assert buckets.candidates(15) == [0, 1, 2]
    assert buckets.candidates(15, 0.015) == [0, 1, 2]  # 3 of 200
    assert buckets.candidates(15, 0.016) == [1, 2]
    assert buckets.candidates(15, 0.9) == [2]  # none is as common: the likeliest
    assert buckets.candidates(48, 0.9) == [4]
    assert buckets.likeliest(torch.tensor([15, 20, 45])).tolist() == [2, 2, 4]


def test_a_source_interval_that_training_hardly_saw_stands_for_the_nearest():
    buckets = counted([(15, 15, 10), (15, 25, 10), (45, 45, 20), (25, 5, 1)])
    assert buckets.candidates(25) == [0, 1, 2] or buckets.candidates(25) == [1, 2]
    assert buckets.candidates(5) == buckets.candidates(15)
    assert buckets.candidates(35) == [4]


def test_an_untrained_model_still_has_a_candidate():
    buckets = LengthBuckets(10, 50)
    assert buckets.candidates(33, 0.5) == [3]
    assert buckets.statistics(torch.tensor([1, 77])).tolist() == [0, 4]
    assert buckets.likeliest(torch.tensor([22])).tolist() == [2]


def test_counting_starts_afresh():
    buckets = counted([(15, 15, 10)])
    buckets.count(torch.tensor([5, 5]), torch.tensor([5, 5]))
    assert buckets.pairs.sum() == 2
    assert buckets.pairs[0, 0] == 2


@pytest.mark.parametrize(
    ("width", "longest", "words"), [(0, 100, "an interval of 0"), (25, 20, "the longest length, 20")]
)
def test_impossible_buckets_are_refused(width, longest, words):
    with pytest.raises(ValueError, match=words):
        LengthBuckets(width, longest)


def test_the_papers_intervals_are_25_wide_up_to_500():
    assert (LengthBuckets().width, len(LengthBuckets())) == (25, 20)
    # One pair in a thousand is enough for statistics of its own; one in 1,001 is not.
    assert counted([(5, 5, 1998), (5, 45, 2)]).statistics(torch.tensor(45)) == 4
    assert counted([(5, 5, 2000), (5, 45, 2)]).statistics(torch.tensor(45)) == 0


def test_a_checkpoint_of_the_first_release_has_counted_batches():
    buckets, counts = LengthBuckets(10, 20), torch.tensor([[5, 1], [0, 9]])
    buckets.load_state_dict({"batches_seen": counts})
    assert buckets.pairs.equal(counts)
    assert buckets.pairs.dtype == torch.long
    buckets.load_state_dict({"pairs": counts + 1})
    assert buckets.pairs.equal(counts + 1)
