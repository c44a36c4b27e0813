"""Which n-grams of a data-bin get an embedding in a ByteNet (Section 3.6 of the ByteNet paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from fairseq.data import Dictionary, data_utils

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.ngram_embedding import NgramTable, count_ngrams


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


def count_data_bin(data: str | Path, least: Sequence[int]) -> Iterator[tuple[str, NgramTable]]:
    """Count the n-grams on both sides of the training split: (language, table), source first.

    Args:
        data: a folder that fairseq-preprocess wrote.
        least: how often an n-gram must occur to be kept, for n = 2, 3, ...

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
        yield language, count_ngrams(inputs, len(dictionary), least)
