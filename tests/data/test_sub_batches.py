"""Training batches for Sub-BN: every sentence once an epoch, one target interval a batch, each in the loss by turns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

fairseq = pytest.importorskip("fairseq")
from fairseq.data import Dictionary, LanguagePairDataset  # noqa: E402
from fairseq.tasks.translation import TranslationConfig, TranslationTask  # noqa: E402

from fairseq_bbpe.data.sub_batches import SubBatchDataset  # noqa: E402
from fairseq_bbpe.errors import UserError  # noqa: E402
from fairseq_bbpe.modules.length_buckets import LengthBuckets  # noqa: E402

PAD, END = 1, 2
lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=2, max_size=60)


def corpus(pairs, **options):
    """A parallel corpus whose sentence pairs have these lengths; each sentence spells its own number."""
    symbols = Dictionary()
    for number in range(len(pairs)):
        symbols.add_symbol(str(number))
    sides = [[torch.tensor([4 + i] * (pair[side] - 1) + [END]) for i, pair in enumerate(pairs)] for side in (0, 1)]
    sizes = np.array(pairs)
    dataset = LanguagePairDataset(sides[0], sizes[:, 0], symbols, sides[1], sizes[:, 1], symbols)
    return SubBatchDataset(dataset, LengthBuckets(width=10, longest=60), **options)


@settings(deadline=None)
@given(pairs=lengths, rows=st.integers(2, 9), multiple=st.sampled_from([1, 2, 8]))
def test_batches_hold_every_sentence_once_and_can_be_split(pairs, rows, multiple):
    batches = corpus(pairs).batch_by_size(np.arange(len(pairs)), None, rows, multiple)
    assert sorted(index for batch in batches for index in batch) == list(range(len(pairs)))
    most = rows // multiple * multiple or rows  # as many as fairseq would take
    assert all(2 <= len(batch) <= max(most, 3) for batch in batches)


@settings(deadline=None)
@given(pairs=lengths)
def test_all_pairs_of_a_batch_belong_to_the_statistics_that_the_batch_names(pairs):
    dataset = corpus(pairs)
    for batch in dataset.batch_by_size(np.arange(len(pairs)), None, 8):
        named = dataset.collater([dataset[index] for index in batch])["net_input"]["statistics"]
        assert type(named) is int  # no tensor: an index that a device must not wait for
        target_lengths = torch.tensor([pairs[index][1] for index in batch])
        assert dataset.buckets.statistics(target_lengths).tolist() == [named] * len(batch)


def test_a_batch_mixes_pairs_of_padded_lengths_only_where_a_bucket_does_not_fill_half_of_it():
    pairs = [(5, 5)] * 20 + [(15, 5)] * 3 + [(25, 5)] * 6 + [(35, 5)] * 16 + [(5, 15)] * 8
    dataset = corpus(pairs)
    batches = dataset.batch_by_size(np.random.permutation(len(pairs)), None, 8)
    seen = sorted((sorted({pairs[index] for index in batch}), len(batch)) for batch in batches)
    assert seen == sorted(
        [([(5, 5)], 7), ([(5, 5)], 7), ([(5, 5)], 6), ([(15, 5), (25, 5)], 5), ([(25, 5)], 4)]
        + [([(35, 5)], 8), ([(35, 5)], 8), ([(5, 15)], 8)]
    )


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=8, max_size=60))
def test_max_tokens_counts_the_padding(pairs):
    dataset = corpus(pairs)
    for batch in dataset.batch_by_size(np.arange(len(pairs)), max_tokens=200):
        assert len(batch) <= 3 or len(batch) * dataset.padded_sizes(batch).max() <= 200


@settings(deadline=None)
@given(size=st.integers(2, 12), share=st.floats(0.05, 0.95))
def test_every_sentence_takes_its_turn_in_the_loss_within_two_epochs_or_for_a_large_share_over_more(size, share):
    dataset = corpus([(5, 7)] * size, share=share)
    turns = set()
    for epoch in range(1, 3 if share <= 0.5 else size + 1):
        dataset.set_epoch(epoch)
        batch = dataset.collater([dataset[index] for index in range(size)])
        assert 0 < len(batch["id"]) < size
        turns |= set(batch["id"].tolist())
    assert turns == set(range(size))


def test_the_batch_counts_what_the_loss_counts():
    dataset = corpus([(5, 7), (6, 3), (9, 9), (4, 10), (8, 2)])
    batch = dataset.collater([dataset[index] for index in range(5)])
    main = batch["id"].tolist()
    assert sorted(main) == [2, 3, 4]
    assert batch["nsentences"] == 3
    assert batch["ntokens"] == 9 + 10 + 2 == batch["target"].ne(PAD).sum()
    assert batch["net_input"]["num_auxiliary"] == 2
    source, previous = batch["net_input"]["src_tokens"], batch["net_input"]["prev_output_tokens"]
    assert source.shape == previous.shape == (5, 10)  # the next multiple of the width
    assert batch["target"].shape == (3, 10)
    spelled = [set(row.tolist()) - {PAD, END} for row in source]
    assert spelled[:3] == [{4 + index} for index in main]  # the main part comes first, as its targets do
    assert {symbol - 4 for row in spelled[3:] for symbol in row} == {0, 1}
    assert batch["net_input"]["src_lengths"].tolist() == source.ne(PAD).sum(1).tolist()


def test_worker_processes_hear_of_a_new_epoch():
    """fairseq keeps its worker processes, with their copy of the data set, unless the data set tells it not to."""
    pairs = [(5 + i % 20, 3 + i % 7) for i in range(31)]
    task = TranslationTask(TranslationConfig(), Dictionary(), Dictionary())
    dataset = corpus(pairs)
    options = {"max_sentences": 4, "num_workers": 1, "seed": 1}
    turns = []
    for epoch in (1, 2):
        epoch_itr = task.get_batch_iterator(dataset, **options, epoch=epoch)
        turns.append({int(i) for batch in epoch_itr.next_epoch_itr(shuffle=True) for i in batch["id"]})
    assert turns[0] | turns[1] == set(range(len(pairs)))


def test_batches_for_statistics_are_training_batches_and_always_the_same():
    pairs = [(5 + i % 20, 3 + i % 27) for i in range(90)]
    dataset = corpus(pairs)
    batches = dataset.batch_by_size(np.random.permutation(len(pairs)), None, 4)
    wanted = list(dataset.batches_for_statistics(3))
    dataset.set_epoch(2)
    for first, again in zip(wanted, dataset.batches_for_statistics(3), strict=True):
        assert all(torch.equal(torch.as_tensor(first[key]), torch.as_tensor(again[key])) for key in first)
    number = [net_input["statistics"] for net_input in wanted]
    assert sorted(set(number)) == [0, 1, 2]
    assert max(map(number.count, number)) <= 3
    trained = {frozenset(batch.tolist()) for batch in batches}
    for net_input in wanted:
        spelled = frozenset(int(row[0]) - 4 for row in net_input["prev_output_tokens"][:, 1:])
        assert spelled in trained
    assert len(list(dataset.batches_for_statistics(1000))) == len(batches)


def test_batches_are_the_same_under_the_same_seed():
    dataset = corpus([(5 + i % 30, 3 + i % 17) for i in range(100)])
    drawn = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        drawn.append(np.concatenate(dataset.batch_by_size(dataset.ordered_indices(), None, 8)).tolist())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: corpus([(5, 5)] * 4, share=1.0), "--auxiliary-share must lie between 0 and 1, got 1.0"),
        (lambda: corpus([(5, 5)]).batch_by_size([0]), "at least two training sentences, got 1"),
        (
            lambda: corpus([(5, 5)] * 4).batch_by_size([0, 1, 2, 3], max_sentences=1),
            "--batch-size 1: .* give 2 or more",
        ),
        (
            lambda: corpus([(5, 45)] * 4).batch_by_size([0, 1, 2, 3], max_tokens=99),
            "--max-tokens 99: .* padded to 50 symbols; give 100 or more",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()
