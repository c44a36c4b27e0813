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
        self.lengths = table.lengths if table is not None else range(0)
        for n, keys in zip(self.lengths, table.keys if table is not None else (), strict=True):
            self.register_buffer(f"keys_{n}", keys)
        # Row 0 stands for every n-gram that is not in the table. All start at zero: as if the symbol stood alone.
        self.ngrams = nn.Parameter(torch.zeros(1 + len(table), width)) if table is not None else None

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

    def fitting(self, state_dict: dict[str, Tensor], prefix: str) -> NgramEmbedding:
        """An embedding for the table of a state dict, whose keys begin with `prefix`; itself where it has the same."""
        rows = state_dict.get(f"{prefix}ngrams")
        if rows is None:
            return self
        keys: list[Tensor] = []
        while f"{prefix}keys_{len(keys) + 2}" in state_dict:
            keys.append(state_dict[f"{prefix}keys_{len(keys) + 2}"])
        mine = self.table.keys
        same = len(mine) == len(keys) and all(torch.equal(a.cpu(), b.cpu()) for a, b in zip(mine, keys, strict=True))
        if self.ngrams is not None and same:
            return self
        weight, symbols = self.symbols.weight, self.symbols.num_embeddings
        table = NgramTable(symbols, keys)
        new = NgramEmbedding(symbols, self.symbols.embedding_dim, self.padding, table)
        return new.to(weight.device, weight.dtype)
