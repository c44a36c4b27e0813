"""BPE-dropout in training: other pieces of the same bytes in every epoch, the same for (seed, epoch, index)."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fairseq")

from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.data.data_utils import numpy_seed
from fairseq.data.iterators import EpochBatchIterator

from fairseq_bbpe import Vocabulary
from fairseq_bbpe.data.bbpe_dropout import ResegmentedPairs
from fairseq_bbpe.errors import UserError

LINES = [
    line.encode()
    for line in ("the cat sat on the mat", "die Katze saß auf der Matte", "猫はマットの上に座った", "кошка сидела", "a")
    for _ in range(12)
]
VOCABULARY = Vocabulary.learn(LINES, size=330)


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    made = Dictionary()
    for piece in VOCABULARY.pieces:
        made.add_symbol(piece)
    return made


def pairs_of(dictionary, lines, **options) -> LanguagePairDataset:
    rows = [dictionary.encode_line(pieces, add_if_not_exist=False).long() for pieces in VOCABULARY.encode_lines(lines)]
    sizes = np.array([len(row) for row in rows])
    return LanguagePairDataset(rows, sizes, dictionary, list(rows), sizes, dictionary, **options)


def dropped(dictionary, dropout=0.3, lines=LINES, sides="both", seed=1, longest=(1024, 1024)) -> ResegmentedPairs:
    return ResegmentedPairs(
        pairs_of(dictionary, lines), VOCABULARY.resegment, dropout, sides=sides, seed=seed, longest=longest
    )


def bytes_of(dictionary, tokens) -> bytes:
    assert tokens[-1] == dictionary.eos()
    return Vocabulary.decode(" ".join(dictionary[token] for token in tokens[:-1].tolist()))


def read(dataset, epoch: int, side: str = "source") -> list[list[int]]:
    dataset.set_epoch(epoch)
    return [dataset[index][side].tolist() for index in range(len(dataset))]


@given(lines=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_no_segmentation_loses_a_byte(dictionary, lines, seed):
    dataset = dropped(dictionary, 0.5, lines, seed=seed)
    for epoch in (1, 2):
        dataset.set_epoch(epoch)
        for index, line in enumerate(lines):
            for side in ("source", "target"):
                assert bytes_of(dictionary, dataset[index][side]) == line


def test_every_epoch_draws_anew_and_every_draw_is_repeatable(dictionary):
    dataset = dropped(dictionary)
    first, second = read(dataset, 1), read(dataset, 2)
    assert first != second
    assert read(dataset, 1) == first
    dataset.set_epoch(2)
    assert [dataset[index]["source"].tolist() for index in reversed(range(len(dataset)))] == second[::-1]
    assert read(dropped(dictionary, seed=2), 1) != first
    assert read(dataset, 1, "target") != first  # the sides draw apart
    # The same line elsewhere in the text is drawn apart as well.
    assert len({tuple(row) for row in first[:12]}) > 1


def test_only_the_named_side_is_drawn(dictionary):
    plain = [item.tolist() for item in pairs_of(dictionary, LINES).src]
    for sides, other in (("source", "target"), ("target", "source")):
        dataset = dropped(dictionary, sides=sides)
        assert read(dataset, 3, other) == plain
        assert read(dataset, 3, sides) != plain


def test_the_mean_length_is_that_of_free_draws(dictionary):
    def mean_length(dropout):
        dataset = dropped(dictionary, dropout)
        return np.mean([len(row) for epoch in range(1, 17) for row in read(dataset, epoch)])

    plain = np.mean(pairs_of(dictionary, LINES).src_sizes)
    pieces = [line.split() for line in VOCABULARY.encode_lines(LINES)]
    for dropout in (0.05, 0.3):
        seeds = range(1000)
        drawn = np.mean([len(VOCABULARY.resegment(pieces[seed % len(pieces)], dropout, seed)) + 1 for seed in seeds])
        # A little less, for what outgrows its room is drawn again.
        assert 0.93 * drawn < mean_length(dropout) < 1.03 * drawn
        assert mean_length(dropout) > plain


def test_no_sentence_outgrows_the_size_by_which_batches_are_built(dictionary):
    dataset = dropped(dictionary, 0.9)
    for epoch in range(1, 6):
        for index, row in enumerate(read(dataset, epoch)):
            assert len(row) <= dataset.src_sizes[index] == dataset.sizes[index][0]
    clean = pairs_of(dictionary, LINES).src_sizes
    assert (dataset.src_sizes > clean).any()
    # What a model can read stays readable.
    assert (
        dropped(dictionary, 0.9, longest=(12, 12)).src_sizes == np.maximum(clean, np.minimum(dataset.src_sizes, 12))
    ).all()
    # A batch stays within --max-tokens.
    batches = dataset.batch_by_size(dataset.ordered_indices(), max_tokens=120)
    assert sum(map(len, batches)) == len(dataset)
    for batch in batches:
        assert dataset.collater([dataset[index] for index in batch])["net_input"]["src_tokens"].numel() <= 120


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_the_same_whatever_the_workers(dictionary, workers):
    def batches(workers):
        dataset = dropped(dictionary)
        assert not dataset.can_reuse_epoch_itr_across_epochs
        with numpy_seed(1):
            indices = dataset.ordered_indices()
        sampler = dataset.batch_by_size(indices, max_sentences=7)
        found = []
        for epoch in (1, 2):
            iterator = EpochBatchIterator(dataset, dataset.collater, sampler, num_workers=workers, epoch=epoch)
            found += [batch["net_input"]["src_tokens"] for batch in iterator.next_epoch_itr(shuffle=True)]
        return found

    for one, other in zip(batches(0), batches(workers), strict=True):
        assert torch.equal(one, other)


def test_options_that_rest_on_fixed_lengths_are_refused(dictionary):
    pairs = pairs_of(dictionary, LINES)
    pairs.buckets = [(None, 8)]  # what --num-batch-buckets sets
    with pytest.raises(UserError, match="--num-batch-buckets"):
        ResegmentedPairs(pairs, VOCABULARY.resegment, 0.1, sides="both", seed=1, longest=(1024, 1024))
