"""Temperature sampling in training: the shares that were asked for, other sentences in every epoch, the same again."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fairseq")

from fairseq.data import Dictionary, LanguagePairDataset

from fairseq_bbpe.data.language_sampling import LanguageSampling
from fairseq_bbpe.vocabularies.language_balance import copies_of_a_line


def sampling(languages, temperature, seed=1, **options) -> LanguageSampling:
    """Pairs of lengths 2 to 9, whose first source token is their number."""
    random = np.random.default_rng(0)
    sizes = random.integers(2, 10, (2, len(languages)))
    source, target = ([torch.full((size,), number) for number, size in enumerate(side)] for side in sizes)
    dictionary = Dictionary()
    pairs = LanguagePairDataset(source, sizes[0], dictionary, target, sizes[1], dictionary, **options)
    return LanguageSampling(pairs, languages, copies_of_a_line(Counter(languages), temperature), seed)


def drawn(dataset, epoch) -> list[int]:
    dataset.set_epoch(epoch)
    return dataset.ordered_indices().tolist()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=200), st.floats(1, 20), st.integers(0, 2**32 - 1))
def test_an_epoch_is_as_long_as_the_corpus_and_languages_and_sentences_come_evenly(languages, temperature, seed):
    dataset = sampling(languages, temperature, seed)
    for epoch in (1, 2):
        found = drawn(dataset, epoch)
        assert len(found) == len(languages)
        times = Counter(found)
        for language, copies in copies_of_a_line(Counter(languages), temperature).items():
            members = [number for number, code in enumerate(languages) if code == language]
            assert abs(sum(times[number] for number in members) - copies * len(members)) < 1 + 1e-6
            assert all(abs(times[number] - copies) < 1 + 1e-6 for number in members)


def test_t_of_1_is_every_sentence_once():
    assert sorted(drawn(sampling(["a"] * 900 + ["b"] * 77, 1), 4)) == list(range(977))


def test_epochs_draw_apart_and_each_the_same_again():
    languages = ["a"] * 900 + ["b"] * 90 + ["c"] * 10
    dataset = sampling(languages, 5)
    first, second = drawn(dataset, 1), drawn(dataset, 2)
    assert first != second == drawn(sampling(languages, 5), 2)
    assert drawn(dataset, 1) == first != drawn(sampling(languages, 5, seed=2), 1)


def test_over_epochs_draws_are_independent_and_their_averages_right():
    languages = ["a"] * 901 + ["b"] * 90 + ["c"] * 10
    copies = copies_of_a_line(Counter(languages), 8)
    epochs = [Counter(drawn(sampling(languages, 8), epoch)) for epoch in range(1, 201)]
    times = np.array([[counts[number] for number in range(len(languages))] for counts in epochs])
    of_a, of_c = times[:, :901], times[:, -10:]
    np.testing.assert_allclose(of_a.sum(axis=0), 200 * copies["a"], atol=5 * (200 * 0.25) ** 0.5)
    # Of neighbours in the text, too, both are drawn at times, though an epoch has fewer than half of their language.
    assert copies["a"] < 0.5
    assert (of_a[:, 0] & of_a[:, 1]).any()
    # Their number is rounded, up and down so that its average is right.
    assert abs(of_c.sum(axis=1).mean() - 10 * copies["c"]) < 4 * (0.25 / 200) ** 0.5
    assert len({*of_c.sum(axis=1)}) == 2


@pytest.mark.parametrize("buckets", [0, 3])
def test_batches_hold_what_was_drawn_sorted_by_length(buckets):
    dataset = sampling(["a"] * 90 + ["b"] * 10, 5, num_buckets=buckets)
    indices = dataset.ordered_indices()
    keys = [dataset.num_tokens(i) if buckets else tuple(dataset.sizes[i]) for i in indices]
    assert keys == sorted(keys)
    kept, _ = dataset.filter_indices_by_size(indices, (8, 8))
    batches = dataset.batch_by_size(kept, max_tokens=64)
    assert Counter(np.concatenate(batches).tolist()) == Counter(kept.tolist())
    assert max(Counter(kept.tolist()).values()) > 2
    batch = dataset.collater([dataset[index] for index in batches[0]])
    assert sorted(batch["id"].tolist()) == sorted(batches[0])


def test_copies_of_a_sentence_stand_apart_among_those_of_equal_length():
    languages = ["a"] * 900 + ["b"] * 100
    dataset = sampling(languages, float("inf"))
    dataset.dataset.sizes[:] = 7
    of_b = [number for number in drawn(dataset, 1) if number >= 900]
    assert len(of_b) == 500
    assert sum(one == other for one, other in pairwise(of_b)) < 20  # 5 expected; 400 side by side


def test_what_is_inside_hears_of_the_epoch():
    dataset = sampling(["a", "b"], 2)
    heard = []
    dataset.dataset.set_epoch = heard.append
    dataset.set_epoch(3)
    assert heard == [3]
    assert not dataset.can_reuse_epoch_itr_across_epochs
