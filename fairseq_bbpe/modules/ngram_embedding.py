"""Bags of n-grams (Section 3.6): at every position the sum of the embeddings of the n-grams that end there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fairseq_bbpe.modules.ngram_table import NgramTable
from fairseq_bbpe.modules.summed_rows import SummedRows


class NgramEmbedding(nn.Module):
    """Sum, at every position, the embeddings of the symbol and of the known n-grams that end there (Section 3.6).

    Nothing looks ahead, so source and target use it alike. The table is part of the state dict.

    Shape: (B, T) -> (B, T, width)

    Args:
        symbols: size of the vocabulary.
        width: of an embedding, 2d.
        padding: the symbol whose embedding stays zero.
        table: the n-grams that have an embedding; None for single symbols only.
    """

    def __init__(self, symbols: int, width: int, padding: int, table: NgramTable | None = None) -> None:
        super().__init__()
        self.padding = padding
        self.symbols = nn.Embedding(symbols, width, padding_idx=padding)
        self.lengths = range(0)
        self.ngrams: nn.Parameter | None = None
        if table is not None:
            self._take(table)

    def _take(self, table: NgramTable) -> None:
        for n in self.lengths:
            delattr(self, f"keys_{n}")
        self.lengths = table.lengths
        weight = self.symbols.weight
        for n, keys in zip(self.lengths, table.keys, strict=True):
            self.register_buffer(f"keys_{n}", keys.to(weight.device))
        # Row 0 stands for every n-gram that is not in the table. All start at zero: as if the symbol stood alone.
        self.ngrams = nn.Parameter(weight.new_zeros(1 + len(table), weight.size(1)))

    @property
    def table(self) -> NgramTable:
        """The n-grams, on the model's device."""
        return NgramTable(self.symbols.num_embeddings, [getattr(self, f"keys_{n}") for n in self.lengths])

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        """Embed `tokens` (B, T), or only the `last` of them: a generation step needs no more."""
        if last is not None:
            tokens = tokens[:, -(last + len(self.lengths)) :]
        keep = slice(None) if last is None else slice(tokens.size(1) - last, None)
        x = self.symbols(tokens[:, keep])
        if self.ngrams is None or not self.lengths:
            return x
        return x + SummedRows.apply(self.ngrams, self.table.rows(tokens)[:, keep])

    def fit(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Take the table of a state dict, whose keys begin with `prefix`, unless it has none or this one.

        The symbols' weights stay the parameter that they are: distributed training may have it already.
        """
        if f"{prefix}ngrams" not in state_dict:
            return
        keys: list[Tensor] = []
        while f"{prefix}keys_{len(keys) + 2}" in state_dict:
            keys.append(state_dict[f"{prefix}keys_{len(keys) + 2}"])
        mine = self.table.keys
        same = len(mine) == len(keys) and all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(mine, keys, strict=True))
        if self.ngrams is None or not same:
            self._take(NgramTable(self.symbols.num_embeddings, keys))
