"""Bags of n-grams: counting and lookup against plain Python, nothing ahead, the table in the checkpoint."""

import subprocess
import sys
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_bbpe.data.ngram_counts import count_ngrams
from fairseq_bbpe.modules.ngram_embedding import NgramEmbedding
from fairseq_bbpe.modules.ngram_table import NgramTable

SYMBOLS = 5
sequences = st.lists(st.lists(st.integers(0, SYMBOLS - 1), min_size=1, max_size=30), min_size=1, max_size=6)
thresholds = st.lists(st.integers(1, 4), min_size=4, max_size=4).map(sorted)


def spell(table, n, place):
    """The symbols of n-gram number `place`."""
    prefix, symbol = divmod(int(table.keys[n - 2][place]), table.symbols)
    return ((prefix,) if n == 2 else spell(table, n - 1, prefix)) + (symbol,)


def occurrences(texts, n):
    return Counter(tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1))


@settings(deadline=None)
@given(texts=sequences, min_counts=thresholds, chunk=st.sampled_from([1, 10, 1 << 22]))
def test_counting_keeps_exactly_the_frequent_ngrams(texts, min_counts, chunk):
    table = count_ngrams([torch.tensor(text) for text in texts], SYMBOLS, min_counts, chunk)
    for n, count in enumerate(min_counts, start=2):
        kept = [spell(table, n, place) for place in range(len(table.keys[n - 2]))]
        assert len(kept) == len(set(kept))
        assert set(kept) == {ngram for ngram, seen in occurrences(texts, n).items() if seen >= count}


@settings(deadline=None)
@given(texts=sequences, min_counts=thresholds, text=st.lists(st.integers(0, SYMBOLS - 1), min_size=1, max_size=20))
def test_lookup_finds_every_known_ngram_where_it_ends(texts, min_counts, text):
    table = count_ngrams([torch.tensor(each) for each in texts], SYMBOLS, min_counts)
    for n, found in enumerate(table.lookup(torch.tensor([text])), start=2):
        known = {spell(table, n, place) for place in range(len(table.keys[n - 2]))}
        for at, place in enumerate(found[0].tolist()):
            ngram = tuple(text[at - n + 1 : at + 1]) if at >= n - 1 else None
            assert place == -1 if ngram not in known else spell(table, n, place) == ngram


def test_no_vocabulary_is_too_large():
    """The fifth power of 60,000 symbols does not fit into 64 bits; the trie needs only products of pairs."""
    text = torch.randint(0, 60_000, (500,))
    table = count_ngrams([text], 60_000, (1, 1, 1, 1))
    *_, fives = table.lookup(text.unsqueeze(0))
    assert (fives[0, 4:] >= 0).all()
    assert (fives[0, :4] == -1).all()


@pytest.fixture
def table_file(tmp_path):
    texts = [torch.randint(0, 20, (50,)) for _ in range(4)]
    count_ngrams(texts, 20, (1, 1, 1, 1)).save(tmp_path / "ngrams.pt")
    return str(tmp_path / "ngrams.pt"), torch.stack(texts)


def trained(path):
    embedding = NgramEmbedding(20, 6, padding=1, table=NgramTable.load(path, 20))
    torch.nn.init.normal_(embedding.ngrams)
    return embedding


@torch.no_grad()
def test_embedding_is_the_sum_over_all_n(table_file):
    path, texts = table_file
    embedding = trained(path)
    table = embedding.table
    row = 1
    expected = embedding.symbols.weight[texts[0, 10]].clone()
    for n in range(2, 6):
        (place,) = (
            k for k in range(len(table.keys[n - 2])) if spell(table, n, k) == tuple(texts[0, 11 - n : 11].tolist())
        )
        expected += embedding.ngrams[row + place]
        row += len(table.keys[n - 2])
    torch.testing.assert_close(embedding(texts)[0, 10], expected)


@torch.no_grad()
def test_nothing_looks_ahead_and_a_step_needs_only_the_last_symbols(table_file):
    path, texts = table_file
    embedding = trained(path)
    whole = embedding(texts)
    torch.testing.assert_close(embedding(texts[:, :20]), whole[:, :20])
    for end in range(1, 20):
        torch.testing.assert_close(embedding(texts[:, :end], last=1), whole[:, end - 1 : end])
    torch.testing.assert_close(embedding(texts, last=7), whole[:, -7:])


def test_one_lookup_has_one_gradient_the_same_as_one_lookup_for_each_length(table_file):
    path, texts = table_file
    embedding = trained(path).double()
    weights = torch.randn(*texts.shape, 6, dtype=torch.double)
    (embedding(texts) * weights).sum().backward()
    table = embedding.ngrams.detach().clone().requires_grad_()
    rows = embedding.table.rows(texts)
    apart = sum(torch.nn.functional.embedding(rows[..., n], table, padding_idx=0) for n in range(4))
    (apart * weights).sum().backward()
    torch.testing.assert_close(embedding.ngrams.grad, table.grad)
    lookups = []
    output = embedding(texts)
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        lookups += [node] if "Backward" in type(node).__name__ and "mbedding" in type(node).__name__ else []
        lookups += [node] if type(node).__name__ == "SummedRowsBackward" else []
        waiting += [following for following, _ in node.next_functions if following is not None]
    assert len(lookups) == 2  # of the symbols and of all n-grams


PROCESS = """
import sys, torch
from torch import distributed
from fairseq_bbpe.modules.summed_rows import SummedRows
rank = int(sys.argv[1])
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
table = torch.nn.Parameter(torch.randn(9, 3, generator=torch.Generator().manual_seed(0)))
rows = [torch.tensor([[[1, 4], [0, 4]]]), torch.tensor([[[8, 1], [2, 0], [5, 5]]])][rank]
SummedRows.apply(table, rows).mul(rank + 1).sum().backward()
expected = torch.zeros(9, 3)
for row, times in {1: 1 + 2, 4: 2, 8: 2, 2: 2, 5: 4}.items():
    expected[row] = times / 2
torch.testing.assert_close(table.grad, expected)
"""


def test_processes_average_the_rows_that_they_use(tmp_path):
    arguments = [sys.executable, "-c", PROCESS]
    both = [subprocess.Popen([*arguments, str(rank), str(tmp_path / "store")]) for rank in (0, 1)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]


@torch.no_grad()
def test_an_ngram_starts_as_if_its_symbol_stood_alone(table_file):
    path, texts = table_file
    embedding = NgramEmbedding(20, 6, padding=1, table=NgramTable.load(path, 20))
    torch.testing.assert_close(embedding(texts), embedding.symbols(texts))


def test_bad_tables_are_refused(table_file, tmp_path):
    path, _ = table_file
    with pytest.raises(ValueError, match="counted over 20 symbols, not over 21"):
        NgramTable.load(path, symbols=21)
    (tmp_path / "text.pt").write_text("not a table")
    with pytest.raises(ValueError, match=r"text\.pt: not a table of n-grams"):
        NgramTable.load(tmp_path / "text.pt", symbols=20)
    with pytest.raises(ValueError, match=r"min_counts \[1, 9, 5\]: must not fall"):
        count_ngrams([torch.zeros(3)], 20, (1, 9, 5))
