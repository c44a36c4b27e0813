"""Dilated convolutions along time: masked for a target network, centred for a source network (Sections 3.2, 3.3).

A convolution is written as one matrix product over the columns that it reads, laid side by side. The same product then
serves whole sequences and single generation steps, and on one CPU core it is as fast as `conv1d` or faster.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.column_steps import Step, convolve_step
from fairseq_bbpe.modules.conv_cache import ConvCache, spread_taps


class DilatedConv(nn.Module):
    """What masked and centred convolutions share: `kernel` taps, `dilation` columns apart, in one weight matrix.

    Args:
        inputs, outputs: channels of a column before and after.
        kernel: columns read, at least 1.
        dilation: distance between them, at least 1.

    Raises:
        ValueError: kernel or dilation below 1.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        if kernel < 1:
            raise ValueError(f"kernel {kernel}: must be at least 1; the paper has 5 in the source and 3 in the target")
        if dilation < 1:
            raise ValueError(f"dilation {dilation}: must be at least 1; the paper has 1,2,4,8,16")
        self.kernel = kernel
        self.dilation = dilation
        self.taps = nn.Linear(kernel * inputs, outputs)  # oldest column first

    @property
    def reach(self) -> int:
        """Distance in columns between the first and the last one read: (kernel - 1) * dilation."""
        return (self.kernel - 1) * self.dilation

    def column_step(self) -> Step:
        """This convolution of one new column, the earlier ones that it reads in a cache."""
        return convolve_step(self, self.kernel, self.taps)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, dilation={self.dilation}"


class MaskedConv(DilatedConv):
    """A convolution that reads a column and `kernel - 1` earlier ones, never a later one (Section 3.2).

    Shape: (B, T, inputs) -> (B, T, outputs). With `cache`, T new columns follow those of the calls before. The first
    `lead` columns, at most `reach`, are only read and get no output: (B, T - lead, outputs).
    """

    def forward(self, x: Tensor, batch: BatchParts, cache: ConvCache | None = None, lead: int = 0) -> Tensor:
        if self.kernel == 1:
            return self.taps(x)
        if cache is not None:
            return self.taps(cache.taps(self, x))
        return self.taps(spread_taps(F.pad(x, (0, 0, self.reach - lead, 0)), self.kernel, self.dilation))


class CentredConv(DilatedConv):
    """A convolution that reads as many columns to the left as to the right, and padding as zero (Sections 3, 6).

    Shape: (B, T, inputs) -> (B, T, outputs)

    Raises:
        ValueError: an even kernel, which has no centre.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"kernel {kernel}: must be odd to have a centre; try {kernel + 1}")
        super().__init__(inputs, outputs, kernel, dilation)

    def forward(self, x: Tensor, batch: BatchParts, cache: None = None, lead: int = 0) -> Tensor:
        assert cache is None, "a source network sees its whole input at once"
        assert not lead, "a source network predicts nothing, so it leaves nothing out"
        if self.kernel == 1:
            return self.taps(x)
        if batch.non_pad_mask is not None:
            x = x * batch.non_pad_mask.unsqueeze(-1).to(x.dtype)
        side = self.reach // 2
        return self.taps(spread_taps(F.pad(x, (0, 0, side, side)), self.kernel, self.dilation))
