"""Which models may search together: those whose statistics serve the same target lengths (Section 6)."""

import pytest
import torch

pytest.importorskip("fairseq")
from test_bytenet import build, dictionary

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.intervals import IntervalSearch

WIDTH = 10


def model(*targets, **options):
    """A model that was trained on target lengths in the intervals of these numbers, each `WIDTH` symbols wide."""
    model = build(norm="sub_batch", bucket_width=WIDTH, **options)
    lengths = torch.tensor([number * WIDTH + 5 for number in targets] * 10)
    model.buckets.count(torch.full_like(lengths, 15), lengths)
    return model


@pytest.mark.parametrize("other", [(1, 2, 3), (0, 1, 2), (0, 2, 3)], ids=["first", "last", "one between"])
def test_models_that_differ_in_a_single_interval_do_not_search_together(other):
    models = [model(0, 1, 2, 3), model(*other)]
    for each in models:
        IntervalSearch([each, each], dictionary())
    with pytest.raises(UserError, match="--bucket-longest"):
        IntervalSearch(models, dictionary())


def test_models_of_as_many_intervals_of_another_width_do_not_search_together():
    wide = build(norm="sub_batch", bucket_width=2 * WIDTH, bucket_longest=8 * WIDTH)
    wide.buckets.pairs.copy_((ours := model(0, 1, 2, 3)).buckets.pairs)
    with pytest.raises(UserError, match="--bucket-width"):
        IntervalSearch([ours, wide], dictionary())


def test_models_search_together_however_often_they_saw_an_interval():
    search = IntervalSearch([model(0, 1, 2, 3), model(0, 0, 0, 1, 2, 3, 3)], dictionary())
    assert search.model.models_size == 2
