"""Which n-grams of a data-bin get an embedding in a ByteNet (Section 3.6 of the ByteNet paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from fairseq.data import Dictionary, data_utils
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.ngram_table import NgramTable


class _Inputs(Sequence):
    """The sequences of one side of the training split as the network reads them."""

    def __init__(self, dataset, end: int, target: bool) -> None:
        self.dataset, self.end, self.target = dataset, end, target

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index):
        sentence = self.dataset[index]
        if not self.target:
            return sentence
        return torch.cat([sentence.new_tensor([self.end]), sentence[:-1]])  # shifted: the end comes first


def count_data_bin(data: str | Path, min_counts: Sequence[int]) -> Iterator[tuple[str, NgramTable]]:
    """Count the n-grams on both sides of the training split: (language, table), source first.

    Args:
        data: a folder that fairseq-preprocess wrote.
        min_counts: how often an n-gram must occur to be kept, for n = 2, 3, ...

    Raises:
        UserError: `data` is no such folder.
    """
    data = Path(data)
    languages = data_utils.infer_language_pair(str(data)) if data.is_dir() else None
    if languages is None or None in languages:
        raise UserError(f"{data}: no parallel data-bin; make one with fairseq-bbpe prepare")
    for language in languages:
        dictionary = Dictionary.load(str(data / f"dict.{language}.txt"))
        dataset = data_utils.load_indexed_dataset(str(data / f"train.{'-'.join(languages)}.{language}"), dictionary)
        if dataset is None:
            raise UserError(f"{data}: has no training split for {language}; make one with fairseq-bbpe prepare")
        inputs = _Inputs(dataset, dictionary.eos(), target=language == languages[1])
        yield language, count_ngrams(inputs, len(dictionary), min_counts)


def count_ngrams(
    sequences: Sequence[Tensor], symbols: int, min_counts: Sequence[int], chunk: int = 1 << 22
) -> NgramTable:
    """Keep the n-grams that occur at least `min_counts[n - 2]` times, for n = 2, 3, ... (the paper: 1, 500, 500, 500).

    One pass over the sequences for each n; an n-gram is only counted where its (n-1)-gram was kept, so memory grows
    with what is kept and not with the text.

    Args:
        sequences: of symbols, 1-D int64.
        symbols: size of the vocabulary.
        min_counts: must not fall, or an n-gram could be kept without its prefix; raises ValueError.
        chunk: symbols counted at once.

    >>> table = count_ngrams([torch.tensor([7, 8, 7, 8, 9])], symbols=10, min_counts=(1, 1))
    >>> [keys.tolist() for keys in table.keys]  # 78, 87, 89; then 78+7, 78+9, 87+8 by the place of their prefix
    [[78, 87, 89], [7, 9, 18]]
    """
    if any(later < earlier for earlier, later in pairwise(min_counts)):
        raise ValueError(f"min_counts {list(min_counts)}: must not fall from one n to the next")
    table = NgramTable(symbols, [])
    for min_count in min_counts:
        keys, counts = torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long)
        for joined in _in_chunks(sequences, chunk):
            found = joined
            for found in table.lookup(joined):  # noqa: B007  the last, longest n-gram's number is what is extended
                pass
            wanted = table.extend(found, joined)
            new, occurrences = wanted[wanted >= 0].unique(return_counts=True)
            keys, place = torch.cat([keys, new]).unique(return_inverse=True)
            counts = torch.zeros_like(keys).index_add_(0, place, torch.cat([counts, occurrences]))
        table.keys.append(keys[counts >= min_count])
    return table


def _in_chunks(sequences: Sequence[Tensor], chunk: int) -> Iterator[Tensor]:
    """Join sequences to rows (1, T) of about `chunk` symbols, with -1 after each so that no n-gram spans two."""
    gap = torch.tensor([-1])
    waiting, length = [], 0
    for sequence in sequences:
        waiting += [sequence.long(), gap]
        length += len(sequence) + 1
        if length >= chunk:
            yield torch.cat(waiting).unsqueeze(0)
            waiting, length = [], 0
    if waiting:
        yield torch.cat(waiting).unsqueeze(0)
