"""Which n-grams have an embedding, and where in a text they end (Section 3.6)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor


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

    @property
    def lengths(self) -> range:
        """Lengths of n-grams, from 2."""
        return range(2, 2 + len(self.keys))

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
        content = io.BytesIO()  # a full disk is an OSError, and of torch, which would write itself, a RuntimeError
        torch.save({"symbols": self.symbols, "keys": self.keys}, content)
        Path(path).write_bytes(content.getbuffer())

    @classmethod
    def load(cls, path: str | Path, symbols: int) -> NgramTable:
        """Read a table; raises ValueError where it is none, or counts the symbols of another vocabulary."""
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            table = cls(stored["symbols"], stored["keys"])
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
        except Exception:
            raise ValueError(f"{path}: not a table of n-grams") from None
        if table.symbols != symbols:
            raise ValueError(f"{path}: counted over {table.symbols} symbols, not over {symbols}")
        return table

    def rows(self, tokens: Tensor) -> Tensor:
        """Numbers from 1 of the n-grams that end at each position of `tokens` (B, T), 0 for none: (B, T, lengths)."""
        begin, rows = 1, []
        for keys, found in zip(self.keys, self.lookup(tokens), strict=True):
            rows.append(torch.where(found >= 0, found + begin, 0))
            begin += len(keys)
        return torch.stack(rows, dim=-1) if rows else tokens.new_zeros(*tokens.shape, 0)
