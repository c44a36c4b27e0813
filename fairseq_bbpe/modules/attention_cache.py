"""What attention keeps between the steps of decoding: keys and values of the target so far, and of the source."""

import math

import torch
from torch import Tensor

FIRST_CAPACITY = 32


class SelfCache:
    """Keys and values of the positions decoded so far, in memory that is allocated once and grows by doubling.

    A buffer is `(capacity, R, 2, H, D)`: all that is filled lies together, so that reordering the rows copies long
    runs, from one of two buffers to the other.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        self.packed = weight, bias  # of the projections to query, key and value
        self.length = 0
        self.buffer = self.spare = torch.empty(0)

    def append(self, added: Tensor) -> tuple[Tensor, Tensor]:
        """Add the key and value `(R, 2, H, D)` of one position; returns those of all, `(R, H, T, D)` each."""
        if self.length == 0:
            self._allocate(added.new_empty(FIRST_CAPACITY, *added.shape))
        elif self.length == len(self.buffer):
            filled = self.buffer
            self._allocate(filled.new_empty(2 * len(filled), *filled.shape[1:]))
            self.buffer[: len(filled)] = filled
        self.buffer[self.length] = added
        self.length += 1
        # T x R x 2 x H x D -> 2 x R x H x T x D
        keys, values = self.buffer[: self.length].permute(2, 1, 3, 0, 4).unbind(0)
        return keys, values

    def reorder(self, order: Tensor) -> None:
        """Let row i be what was row ``order[i]``."""
        rows = self.buffer.size(1)
        if order.numel() != rows:
            capacity, _, *rest = self.buffer.shape
            self.spare = self.buffer.new_empty(capacity, order.numel(), *rest)
        elif torch.equal(order, torch.arange(rows, device=order.device)):
            return
        torch.index_select(self.buffer[: self.length], 1, order, out=self.spare[: self.length])
        self.buffer, self.spare = self.spare, self.buffer
        if self.spare.shape != self.buffer.shape:
            self.spare = torch.empty_like(self.buffer)

    def _allocate(self, buffer: Tensor) -> None:
        self.buffer, self.spare = buffer, torch.empty_like(buffer)


class SourceCache:
    """Keys and values `(B, H, S, D)` of the source, once for all rows of a sentence.

    `bias` `(B, 1, 1, S)` is what hides padding from the scores; None without a padding_mask `(B, S)`.
    """

    def __init__(self, keys: Tensor, values: Tensor, padding_mask: Tensor | None):
        self.keys, self.values = keys, values
        self.bias = None if padding_mask is None else hide(padding_mask, keys.dtype)
        self.rows = 0  # of the queries that were last asked

    def reorder(self, order: Tensor) -> None:
        """Let row i be what was row ``order[i]``, where consecutive rows share a sentence."""
        chosen = sentence_order(order, self.keys.size(0), self.rows)
        if chosen is not None:
            self.choose(chosen)

    def choose(self, sentences: Tensor) -> None:
        """Let sentence i be what was ``sentences[i]``."""
        self.keys, self.values = self.keys.index_select(0, sentences), self.values.index_select(0, sentences)
        if self.bias is not None:
            self.bias = self.bias.index_select(0, sentences)


def hide(padding_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to scores `(B, H, T, S)`, so that no weight falls on padding `(B, S)`: `(B, 1, 1, S)`."""
    nothing = torch.zeros(padding_mask.shape, dtype=dtype, device=padding_mask.device)
    return nothing.masked_fill_(padding_mask, -math.inf)[:, None, None, :]


def sentence_order(order: Tensor, sentences: int, rows: int) -> Tensor | None:
    """The order of sentences behind an order of rows, of which each sentence has `rows / sentences`; None if the same.

    Rows that no longer lie together by sentence each get a sentence of their own.

    >>> sentence_order(torch.tensor([3, 2, 5, 5]), sentences=3, rows=6)
    tensor([1, 2])
    >>> sentence_order(torch.tensor([1, 0, 3, 3]), sentences=2, rows=4)
    >>> sentence_order(torch.tensor([0, 3]), sentences=2, rows=4)
    tensor([0, 1])
    """
    beam = rows // sentences
    chosen = order // beam
    if chosen.numel() % beam == 0:
        groups = chosen.view(-1, beam)
        if torch.equal(groups, groups[:, :1].expand_as(groups)):
            chosen = groups[:, 0]
    same = chosen.numel() * beam == order.numel() and torch.equal(chosen, torch.arange(sentences, device=order.device))
    return None if same else chosen
