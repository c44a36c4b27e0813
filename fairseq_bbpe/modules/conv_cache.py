"""What a masked convolutional network keeps between two generation steps, so that a step computes one column alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from fairseq_bbpe.modules.column_steps import Slots, Step
from fairseq_bbpe.modules.folded_norms import FoldedNorms


class Convolution(Protocol):
    """What the cache must know of a convolution, which is an `nn.Module`."""

    kernel: int
    dilation: int


class ConvCache:
    """The earlier columns of every hypothesis, for all masked convolutions of one network (Section 3.2).

    One tensor (B, slots, C) holds a ring for each convolution: (kernel - 1) * dilation slots, as far back as it reads,
    the column of time t in slot t modulo that. A step gathers from it what all convolutions read and writes back one
    column of each; the beam is followed by one `index_select`. So a step costs the same at position 1 and at 1,000.

    Args:
        convolutions: of one kernel, each with `kernel` and `dilation`, called in any order.
        channels: C, of the columns that each reads.

    Raises:
        ValueError: kernels that differ.
    """

    def __init__(self, convolutions: Sequence[Convolution], channels: int) -> None:
        kernels = {conv.kernel for conv in convolutions}
        if len(kernels) > 1:
            raise ValueError(f"one cache serves convolutions of one kernel, got {sorted(kernels)}")
        self.kernel = max(kernels, default=1)
        self.channels = channels
        self.step = 0
        self.folded: FoldedNorms | None = None  # of the network that generates
        self.steps: list[Step] | None = None  # of its blocks
        self.columns: Tensor | None = None  # (B, slots, C), allocated with the first column
        dilations = torch.tensor([conv.dilation for conv in convolutions], dtype=torch.long)
        self._ages = torch.arange(self.kernel - 1, -1, -1) * dilations.unsqueeze(1)  # of what each reads, oldest first
        self._reaches = dilations * (self.kernel - 1)
        self._begins = self._reaches.cumsum(0) - self._reaches
        self._number = {conv: number for number, conv in enumerate(convolutions)}
        self._places: Tensor  # where the new columns go
        self._read: Tensor | None = None  # (B, convolutions, kernel, C): what this step's convolutions multiply

    def __getstate__(self) -> dict:
        return {**self.__dict__, "steps": None}  # functions over one network's weights: a copy makes its own

    def taps(self, conv: Convolution, x: Tensor) -> Tensor:
        """Put the earlier columns that `conv` reads before each new one: (B, T, C) -> (B, T, kernel * C)."""
        if self.columns is None:
            self._allocate(x)
        assert self.columns is not None
        reach = conv.dilation * (self.kernel - 1)
        begin = int(self._begins[self._number[conv]])
        ring = self.columns[:, begin : begin + reach]
        times = torch.arange(self.step - reach, self.step + x.size(1), device=x.device)
        padded = torch.cat([ring[:, times[:reach] % reach], x], dim=1)
        ring[:, times[-reach:] % reach] = padded[:, -reach:]
        return spread_taps(padded, self.kernel, conv.dilation)

    def slots(self, x: Tensor) -> Slots:
        """For each convolution where its one new column goes, (B, C), and what it then multiplies, (B, kernel * C).

        B is that of `x` (B, ...), and left out where it is 1.
        """
        if self.columns is None:
            self._allocate(x)
        assert self.columns is not None
        # The last of a convolution's slots is read for its place alone; the new column is written there.
        slots = (self.step - self._ages).remainder_(self._reaches.unsqueeze(1)).add_(self._begins.unsqueeze(1))
        self._places = slots[:, -1]
        self._read = self.columns.index_select(1, slots.flatten()).unflatten(1, slots.shape)
        read = self._read[0] if x.size(0) == 1 else self._read
        both = zip(read[..., -1, :].unbind(-2), read.flatten(-2).unbind(-2), strict=True)
        return dict(zip(self._number, both, strict=True))

    def _allocate(self, x: Tensor) -> None:
        self.columns = x.new_zeros(x.size(0), int(self._reaches.sum()), self.channels)
        self._ages, self._reaches, self._begins = (
            numbers.to(x.device) for numbers in (self._ages, self._reaches, self._begins)
        )

    def advance(self, columns: int) -> None:
        """Close a step of `columns` new columns; call it once, after every convolution has run."""
        if self._read is not None and self.columns is not None:
            self.columns.index_copy_(1, self._places, self._read[:, :, -1])
            self._read = None
        self.step += columns

    def reorder(self, order: Tensor) -> None:
        """Let row `b` continue the hypothesis of row `order[b]`; rows may be repeated or left out."""
        if self.columns is not None:
            self.columns = self.columns.index_select(0, order)


def spread_taps(padded: Tensor, kernel: int, dilation: int) -> Tensor:
    """Put side by side the columns that a convolution multiplies, oldest first.

    Shape: (B, T + (kernel - 1) * dilation, C) -> (B, T, kernel * C)

    >>> spread_taps(torch.arange(5.0).view(1, 5, 1), kernel=2, dilation=3).tolist()
    [[[0.0, 3.0], [1.0, 4.0]]]
    """
    columns = padded.size(1) - (kernel - 1) * dilation
    return torch.cat([padded[:, i * dilation : i * dilation + columns] for i in range(kernel)], dim=-1)
