"""Length buckets: intervals, and what stands in for a bucket that training never saw (Section 6)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.length_buckets import LengthBuckets


@given(width=st.integers(1, 40), intervals=st.integers(1, 12), length=st.integers(1, 600))
def test_every_length_lies_within_the_bounds_of_its_interval(width, intervals, length):
    buckets = LengthBuckets(width, longest=width * intervals)
    interval = int(buckets.interval(torch.tensor(length)))
    shortest, longest = buckets.bounds(interval)
    assert shortest <= length
    assert length <= longest or interval == intervals - 1


def seen(buckets, *pairs):
    for source, target in pairs:
        buckets.observe(buckets.bucket(torch.tensor([source]), torch.tensor([target])))
    return buckets


def test_a_bucket_without_statistics_takes_the_nearest():
    buckets = seen(LengthBuckets(10, 50), (0, 0), (4, 3))
    asked = buckets.bucket(torch.tensor([0, 1, 4, 3]), torch.tensor([0, 1, 4, 1]))
    near, far = int(asked[0]), int(buckets.bucket(torch.tensor(4), torch.tensor(3)))
    assert buckets.nearest_seen(asked).tolist() == [near, near, far, far]


def test_candidates_are_the_target_intervals_of_the_nearest_source_interval():
    buckets = seen(LengthBuckets(10, 50), (1, 1), (1, 2), (1, 2), (4, 0))
    assert [buckets.candidates(source) for source in range(5)] == [[1, 2], [1, 2], [1, 2], [0], [0]]
    assert buckets.likeliest(torch.tensor([1, 4])).tolist() == [2, 0]


def test_an_untrained_model_still_has_a_candidate():
    buckets = LengthBuckets(10, 50)
    assert buckets.candidates(3) == [3]
    assert buckets.nearest_seen(torch.tensor([7])).tolist() == [7]
    assert buckets.likeliest(torch.tensor([2])).tolist() == [2]


def test_a_source_interval_that_training_never_saw_takes_the_likeliest_of_the_nearest():
    buckets = seen(LengthBuckets(10, 50), (1, 4), (1, 4), (1, 0))
    assert buckets.likeliest(torch.tensor([3])).tolist() == [4]


@pytest.mark.parametrize(
    ("width", "longest", "words"),
    [(0, 100, "--bucket-width must be at least 1, got 0"), (25, 20, "--bucket-longest 20 is below --bucket-width 25")],
)
def test_impossible_buckets_are_refused(width, longest, words):
    with pytest.raises(UserError, match=words):
        LengthBuckets(width, longest)
