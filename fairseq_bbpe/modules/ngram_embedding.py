"""Bags of n-grams (Section 3.6): at every position the sum of the embeddings of the n-grams that end there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, pairwise, takewhile
from pathlib import Path

import torch
from torch import Tensor, nn

from fairseq_bbpe.errors import UserError


class NgramTable:
    """Which n-grams have an embedding, as a trie: an n-gram is its (n-1)-gram's number and one more symbol.

    `keys[n - 2]` holds the n-grams in ascending order, each as prefix * symbols + symbol, where a prefix of length 1
    is a symbol and a longer one a position in `keys[n - 3]`. No vocabulary is too large for it, and lookup is a
    binary search on whatever device the tokens are.

    Args:
        symbols: size of the vocabulary.
        keys: for n = 2, 3, ...; int64, ascending.
    """

    def __init__(self, symbols: int, keys: Sequence[Tensor]) -> None:
        self.symbols = symbols
        self.keys = list(keys)

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.keys)

    def extend(self, found: Tensor, tokens: Tensor) -> Tensor:
        """The keys of the n-grams one longer than those `found` (B, T; -1 for none) at each position; -1 for none.

        No n-gram reaches over a negative token, which stands between two sequences.
        """
        prefix = torch.full_like(found, -1)
        prefix[:, 1:] = found[:, :-1]
        return torch.where((prefix >= 0) & (tokens >= 0), prefix * self.symbols + tokens, -1)

    def lookup(self, tokens: Tensor) -> Iterator[Tensor]:
        """For n = 2, 3, ...: the number of the n-gram that ends at each position of `tokens` (B, T), or -1."""
        found = tokens
        for keys in self.keys:
            wanted = self.extend(found, tokens)
            if len(keys) == 0:
                found = torch.full_like(tokens, -1)
            else:
                place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
                found = torch.where(keys[place] == wanted, place, -1)
            yield found

    def save(self, path: str | Path) -> None:
        """Write the table to a file that `load` reads."""
        torch.save({"symbols": self.symbols, "keys": self.keys}, path)

    @classmethod
    def load(cls, path: str | Path, symbols: int) -> NgramTable:
        """Read a table; raises UserError where it is none, or counts the symbols of another dictionary."""
        remedy = "write one with fairseq-bbpe ngrams"
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            table = cls(stored["symbols"], stored["keys"])
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
        except Exception:
            raise UserError(f"{path}: not a table of n-grams; {remedy}") from None
        if table.symbols != symbols:
            raise UserError(
                f"{path}: counted over {table.symbols} symbols, but the dictionary has {symbols}; "
                "run fairseq-bbpe ngrams on this --data"
            )
        return table


def count_ngrams(sequences: Sequence[Tensor], symbols: int, least: Sequence[int], chunk: int = 1 << 22) -> NgramTable:
    """Keep the n-grams that occur at least `least[n - 2]` times, for n = 2, 3, ... (the paper: 1, 500, 500, 500).

    One pass over the sequences for each n; an n-gram is only counted where its (n-1)-gram was kept, so memory grows
    with what is kept and not with the text.

    Args:
        sequences: of symbols, 1-D int64.
        symbols: size of the vocabulary.
        least: must not fall, or an n-gram could be kept without its prefix; raises UserError.
        chunk: symbols counted at once.

    >>> table = count_ngrams([torch.tensor([7, 8, 7, 8, 9])], symbols=10, least=(1, 1))
    >>> [keys.tolist() for keys in table.keys]  # 78, 87, 89; then 78+7, 78+9, 87+8 by the place of their prefix
    [[78, 87, 89], [7, 9, 18]]
    """
    if any(later < earlier for earlier, later in pairwise(least)):
        raise UserError(f"--min-count {','.join(map(str, least))}: must not fall from one n to the next")
    table = NgramTable(symbols, [])
    for least_count in least:
        keys, counts = torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long)
        for joined in _in_chunks(sequences, chunk):
            found = joined
            for found in table.lookup(joined):  # noqa: B007  the last, longest n-gram's number is what is extended
                pass
            wanted = table.extend(found, joined)
            new, occurrences = wanted[wanted >= 0].unique(return_counts=True)
            keys, place = torch.cat([keys, new]).unique(return_inverse=True)
            counts = torch.zeros_like(keys).index_add_(0, place, torch.cat([counts, occurrences]))
        table.keys.append(keys[counts >= least_count])
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


class NgramEmbedding(nn.Module):
    """Sum, at every position, the embeddings of the symbol and of the known n-grams that end there (Section 3.6).

    Nothing looks ahead, so source and target use it alike. The table is part of the state dict: a model built without
    its file is filled by `load_state_dict`.

    Shape: (B, T) -> (B, T, width)

    Args:
        symbols: size of the vocabulary.
        width: of an embedding, 2d.
        padding: the symbol whose embedding stays zero.
        ngrams: file written by `fairseq-bbpe ngrams`; empty for single symbols only. If it is missing, the table
            is expected from a checkpoint, and using the model before raises UserError.
    """

    def __init__(self, symbols: int, width: int, padding: int, ngrams: str = "") -> None:
        super().__init__()
        self.symbols = nn.Embedding(symbols, width, padding_idx=padding)
        self.missing = ngrams if ngrams and not Path(ngrams).exists() else ""
        table = NgramTable.load(ngrams, symbols) if ngrams and not self.missing else NgramTable(symbols, [])
        self._hold(table.keys)
        # Row 0 stands for every n-gram that is not in the table. All start at zero: as if the symbol stood alone.
        self.ngrams = nn.Parameter(torch.zeros(1 + len(table), width)) if ngrams else None

    def _hold(self, keys: Sequence[Tensor]) -> None:
        self.lengths = list(range(2, 2 + len(keys)))
        for n, numbers in zip(self.lengths, keys, strict=True):
            self.register_buffer(f"keys_{n}", numbers)

    @property
    def table(self) -> NgramTable:
        """The n-grams, on the model's device."""
        return NgramTable(self.symbols.num_embeddings, [getattr(self, f"keys_{n}") for n in self.lengths])

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        """Embed `tokens` (B, T), or only the `last` of them: a generation step needs no more."""
        if self.missing:
            raise UserError(f"--ngrams {self.missing}: no such file; write it with fairseq-bbpe ngrams")
        if last is not None:
            tokens = tokens[:, -(last + len(self.lengths)) :]
        keep = slice(None) if last is None else slice(tokens.size(1) - last, None)
        x = self.symbols(tokens[:, keep])
        if self.ngrams is None:
            return x
        offset = 1
        table = self.table
        for keys, found in zip(table.keys, table.lookup(tokens), strict=True):
            rows = torch.where(found >= 0, found + offset, 0)[:, keep]
            x = x + nn.functional.embedding(rows, self.ngrams, padding_idx=0)
            offset += len(keys)
        return x

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        stored = state_dict.get(f"{prefix}ngrams")
        if stored is not None and self.ngrams is not None:
            device = self.ngrams.device
            names = (f"{prefix}keys_{n}" for n in count(2))
            self._hold(
                [
                    torch.empty_like(state_dict[name], device=device)
                    for name in takewhile(state_dict.__contains__, names)
                ]
            )
            self.ngrams.data = self.ngrams.new_empty(stored.shape)
            self.missing = ""
        super()._load_from_state_dict(state_dict, prefix, *args)
