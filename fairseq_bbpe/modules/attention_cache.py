"""What attention keeps between the steps of decoding: keys and values of the target so far, and of the source."""

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

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add one position `(R, H, D)`; returns the keys and values of all, `(R, H, T, D)`."""
        if self.length == 0:
            self._allocate(keys.new_empty(FIRST_CAPACITY, keys.size(0), 2, *keys.shape[1:]))
        elif self.length == len(self.buffer):
            filled = self.buffer
            self._allocate(filled.new_empty(2 * len(filled), *filled.shape[1:]))
            self.buffer[: len(filled)] = filled
        self.buffer[self.length, :, 0], self.buffer[self.length, :, 1] = keys, values
        self.length += 1
        # T x R x 2 x H x D -> 2 x R x H x T x D
        kept, values = self.buffer[: self.length].permute(2, 1, 3, 0, 4).unbind(0)
        return kept, values

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
    """Keys and values `(B, H, S, D)` of the source, once for all rows of a sentence; padding_mask `(B, S)`."""

    def __init__(self, keys: Tensor, values: Tensor, padding_mask: Tensor | None):
        self.keys, self.values, self.padding_mask = keys, values, padding_mask
        self.rows = 0  # of the queries that were last asked

    def reorder(self, order: Tensor) -> None:
        """Let row i be what was row ``order[i]``, where consecutive rows share a sentence."""
        chosen = sentence_order(order, self.keys.size(0), self.rows)
        if chosen is not None:
            self.keys, self.values = self.keys.index_select(0, chosen), self.values.index_select(0, chosen)
            if self.padding_mask is not None:
                self.padding_mask = self.padding_mask.index_select(0, chosen)


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
