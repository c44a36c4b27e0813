"""The trie of n-grams: how keys are made, tables that lack something, and embeddings that fit a checkpoint's table."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.data.ngram_counts import count_ngrams
from fairseq_bbpe.modules.ngram_embedding import NgramEmbedding
from fairseq_bbpe.modules.ngram_table import NgramTable

SYMBOLS = 5
numbers = st.integers(-1, SYMBOLS - 1)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12))
def test_a_key_is_the_number_of_what_stands_before_and_one_more_symbol(columns):
    """Neither what is no n-gram (-1) is extended, nor anything by what stands between two texts (-1)."""
    found, tokens = zip(*columns, strict=True)
    expected = [-1] * len(columns)
    for at in range(1, len(columns)):
        if found[at - 1] >= 0 and tokens[at] >= 0:
            expected[at] = found[at - 1] * SYMBOLS + tokens[at]
    keys = NgramTable(SYMBOLS, []).extend(torch.tensor([found]), torch.tensor([tokens]))
    assert keys.tolist() == [expected]


def test_no_ngram_reaches_from_one_text_into_the_next():
    """5 and the gap after it would have the key 5 * 10 - 1, which is that of 49."""
    table = NgramTable(10, [torch.tensor([44, 49])])
    (pairs,) = table.lookup(torch.tensor([[4, 4, -1, 4, 4, 5, -1, 9]]))
    assert pairs.tolist() == [[-1, 0, -1, -1, 0, -1, -1, -1]]


def test_lengths_without_ngrams_and_tables_without_lengths_give_no_row():
    tokens = torch.tensor([[1, 2, 3], [3, 1, 2]])
    none = torch.empty(0, dtype=torch.long)
    table = NgramTable(10, [torch.tensor([12, 31]), none, none])
    assert len(table) == 2
    assert table.rows(tokens).tolist() == [[[0, 0, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [2, 0, 0], [1, 0, 0]]]
    empty = NgramTable(10, []).rows(tokens)
    assert empty.shape == (2, 3, 0)
    assert empty.dtype == torch.long


def test_a_table_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.pt: cannot be read \(No such file or directory\)"):
        NgramTable.load(tmp_path / "absent.pt", symbols=10)


class Harmful:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_table_that_would_run_code_is_refused(tmp_path):
    torch.save({"symbols": 10, "keys": [Harmful(tmp_path / "harm")]}, tmp_path / "table.pt")
    with pytest.raises(ValueError, match=r"table\.pt: not a table of n-grams"):
        NgramTable.load(tmp_path / "table.pt", symbols=10)
    assert not (tmp_path / "harm").exists()


def embedding_of(*texts) -> NgramEmbedding:
    table = count_ngrams([torch.tensor(text) for text in texts], SYMBOLS, (1, 1))
    embedding = NgramEmbedding(SYMBOLS, 4, padding=1, table=table)
    torch.nn.init.normal_(embedding.ngrams)
    return embedding


TEXT = torch.tensor([[2, 3, 4, 2, 3, 3, 0]])
ONE, AS_MANY, MORE = [2, 3, 4], [2, 3, 3], [2, 3, 4, 2, 3]


@pytest.mark.parametrize("mine", [ONE, None], ids=["other n-grams", "no n-grams"])
@pytest.mark.parametrize("theirs", [AS_MANY, MORE])
def test_an_embedding_takes_the_table_of_the_checkpoint_that_it_loads(mine, theirs):
    saved = embedding_of(theirs)
    mine = NgramEmbedding(SYMBOLS, 4, padding=1) if mine is None else embedding_of(mine)
    state = {f"embedding.{name}": value for name, value in saved.state_dict().items()}
    symbols = mine.double().symbols.weight
    mine.fit(state, "embedding.")
    assert mine.symbols.weight is symbols
    assert {parameter.dtype for parameter in mine.parameters()} == {torch.double}
    assert mine.table.keys[0].dtype == torch.long
    mine.load_state_dict(saved.state_dict())
    torch.testing.assert_close(mine(TEXT), saved(TEXT).double())


def test_an_embedding_that_has_the_checkpoints_table_stays_as_it_is():
    mine, same = embedding_of(ONE), embedding_of(ONE)
    ngrams = mine.ngrams
    mine.fit(same.state_dict(), "")
    mine.fit({"symbols.weight": same.symbols.weight}, "")  # no table there
    assert mine.ngrams is ngrams


def test_an_embedding_without_ngrams_is_a_row_of_each_symbol():
    single = NgramEmbedding(SYMBOLS, 4, padding=1)
    torch.testing.assert_close(single(TEXT), single.symbols.weight[TEXT])
    torch.testing.assert_close(single(TEXT, last=2), single.symbols.weight[TEXT[:, -2:]])


def test_a_full_disk_is_told_as_of_any_other_file():
    with pytest.raises(OSError, match="No space left on device"):
        NgramTable(SYMBOLS, []).save("/dev/full")
