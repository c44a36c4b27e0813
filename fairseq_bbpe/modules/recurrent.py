"""Recurrent networks in the place of convolutional ones (Section 4.1, Figure 4): same width, same stacking."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.folded_norms import FoldedNorms


class StateCache:
    """What a recurrent target network keeps between two generation steps: the last state of every hypothesis."""

    def __init__(self) -> None:
        self.step = 0
        self.folded: FoldedNorms | None = None  # of the network that generates
        self.state: tuple[Tensor, Tensor] | None = None  # hidden and cell, each (layers, B, 2d)

    def reorder(self, order: Tensor) -> None:
        """Let row `b` continue the hypothesis of row `order[b]`."""
        if self.state is not None:
            hidden, cell = self.state
            self.state = hidden.index_select(1, order), cell.index_select(1, order)


class RecurrentStack(nn.Module):
    """LSTM layers, 2d wide: from left to right for a target network, d each way for a source network.

    Shape: (B, T, 2d) -> (B, T, 2d). With `cache` (left to right only) T new columns follow those of the calls before.
    """

    def __init__(self, d: int, layers: int, bidirectional: bool = False) -> None:
        super().__init__()
        hidden = d if bidirectional else 2 * d
        self.lstm = nn.LSTM(2 * d, hidden, layers, batch_first=True, bidirectional=bidirectional)

    def new_cache(self) -> StateCache:
        """An empty cache for a generation that starts now."""
        assert not self.lstm.bidirectional, "only a network from left to right can generate"
        return StateCache()

    def forward(self, x: Tensor, batch: BatchParts, cache: StateCache | None = None) -> Tensor:
        if cache is not None:
            cache.step += x.size(1)
            x, cache.state = self.lstm(x, cache.state)
            return x
        if batch.non_pad_mask is None or not self.lstm.bidirectional:
            return self.lstm(x)[0]  # padding on the right cannot reach a real column from left to right
        lengths = batch.non_pad_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.size(1))[0]
