"""The two residual blocks of Figure 3 and the stack that they form: 2d wide outside, d wide inside (Section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.column_steps import Slots, Step, normalise_step
from fairseq_bbpe.modules.conv_cache import ConvCache
from fairseq_bbpe.modules.masked_conv import CentredConv, DilatedConv, MaskedConv
from fairseq_bbpe.modules.sub_batch_norm import normalisation


class ReLUBlock(nn.Module):
    """Residual block with ReLUs (Figure 3, left): 1x1 from 2d to d, 1xk, 1x1 back to 2d, each after norm and ReLU.

    With biases and norms left out it has (4 + k) d^2 weights.

    Shape: (B, T, 2d) -> (B, T - lead, 2d): the first `lead` columns are only read, as in `MaskedConv`.
    """

    def __init__(
        self, d: int, kernel: int, dilation: int, norm: str = "layer", masked: bool = True, buckets: int = 1
    ) -> None:
        super().__init__()
        conv = MaskedConv if masked else CentredConv
        self.norm_in = normalisation(norm, 2 * d, buckets)
        self.reduce = conv(2 * d, d, kernel=1)
        self.norm_conv = normalisation(norm, d, buckets)
        self.conv = conv(d, d, kernel, dilation)
        self.norm_out = normalisation(norm, d, buckets)
        self.expand = conv(d, 2 * d, kernel=1)
        for layer in (self.reduce, self.conv, self.expand):
            nn.init.kaiming_normal_(layer.taps.weight, nonlinearity="relu")
            nn.init.zeros_(layer.taps.bias)

    def forward(self, x: Tensor, batch: BatchParts, cache: ConvCache | None = None, lead: int = 0) -> Tensor:
        h = self.reduce(torch.relu(self.norm_in(x, batch)), batch)
        h = self.conv(torch.relu(self.norm_conv(h, batch)), batch, cache, lead)
        return x[:, lead:] + self.expand(torch.relu(self.norm_out(h, batch)), batch)

    def column_step(self) -> Step:
        """`forward` of one new column."""
        norm_in, norm_conv, norm_out = map(normalise_step, (self.norm_in, self.norm_conv, self.norm_out))
        reduce, conv, expand = (layer.column_step() for layer in (self.reduce, self.conv, self.expand))

        def step(x: Tensor, slots: Slots, batch: BatchParts) -> Tensor:
            h = reduce(norm_in(x, batch).relu_(), slots, batch)
            h = conv(norm_conv(h, batch).relu_(), slots, batch)
            return x + expand(norm_out(h, batch).relu_(), slots, batch)

        return step


class MultiplicativeUnit(nn.Module):
    """A gated column (Figure 3, far right): sigmoid(g1) * tanh(sigmoid(g2) * h + sigmoid(g3) * tanh(u)).

    g1, g2, g3 and u are four convolutions of the normalised input h, each from d to d; they run as one from d to 4d.

    Shape: (B, T, d) -> (B, T - lead, d)
    """

    def __init__(
        self, d: int, kernel: int, dilation: int, norm: str = "layer", masked: bool = True, buckets: int = 1
    ) -> None:
        super().__init__()
        self.norm = normalisation(norm, d, buckets)
        self.gates = (MaskedConv if masked else CentredConv)(d, 4 * d, kernel, dilation)
        # one fan-out of d, not 4d: these are four convolutions
        nn.init.normal_(self.gates.taps.weight, std=(2 / (kernel * d + d)) ** 0.5)
        nn.init.zeros_(self.gates.taps.bias)

    def forward(self, x: Tensor, batch: BatchParts, cache: ConvCache | None = None, lead: int = 0) -> Tensor:
        h = self.norm(x, batch)
        return self._gated(h[:, lead:], self.gates(h, batch, cache, lead))

    def column_step(self) -> Step:
        """`forward` of one new column."""
        norm, gates = normalise_step(self.norm), self.gates.column_step()

        def step(x: Tensor, slots: Slots, batch: BatchParts) -> Tensor:
            h = norm(x, batch)
            return self._gated(h, gates(h, slots, batch))

        return step

    @staticmethod
    def _gated(h: Tensor, gates_and_update: Tensor) -> Tensor:
        gates, update = gates_and_update.split((3 * h.size(-1), h.size(-1)), dim=-1)
        g1, g2, g3 = torch.sigmoid(gates).chunk(3, dim=-1)
        return g1 * torch.tanh(g2 * h + g3 * torch.tanh(update))


class MultiplicativeBlock(nn.Module):
    """Residual Multiplicative Block (Figure 3, right): 1x1 from 2d to d, a 1xk unit, a 1x1 unit, 1x1 back to 2d.

    With biases and norms left out it has (8 + 4k) d^2 weights.

    Shape: (B, T, 2d) -> (B, T - lead, 2d): the first `lead` columns are only read, as in `MaskedConv`.
    """

    def __init__(
        self, d: int, kernel: int, dilation: int, norm: str = "layer", masked: bool = True, buckets: int = 1
    ) -> None:
        super().__init__()
        conv = MaskedConv if masked else CentredConv
        self.norm_in = normalisation(norm, 2 * d, buckets)
        self.reduce = conv(2 * d, d, kernel=1)
        self.unit = MultiplicativeUnit(d, kernel, dilation, norm, masked, buckets)
        self.pointwise_unit = MultiplicativeUnit(d, 1, 1, norm, masked, buckets)
        self.norm_out = normalisation(norm, d, buckets)
        self.expand = conv(d, 2 * d, kernel=1)
        for layer in (self.reduce, self.expand):
            nn.init.kaiming_normal_(layer.taps.weight, nonlinearity="relu")
            nn.init.zeros_(layer.taps.bias)

    def forward(self, x: Tensor, batch: BatchParts, cache: ConvCache | None = None, lead: int = 0) -> Tensor:
        h = self.reduce(torch.relu(self.norm_in(x, batch)), batch)
        h = self.pointwise_unit(self.unit(h, batch, cache, lead), batch)
        return x[:, lead:] + self.expand(torch.relu(self.norm_out(h, batch)), batch)

    def column_step(self) -> Step:
        """`forward` of one new column."""
        norm_in, norm_out = map(normalise_step, (self.norm_in, self.norm_out))
        layers = self.reduce, self.unit, self.pointwise_unit, self.expand
        reduce, unit, pointwise_unit, expand = (layer.column_step() for layer in layers)

        def step(x: Tensor, slots: Slots, batch: BatchParts) -> Tensor:
            h = reduce(norm_in(x, batch).relu_(), slots, batch)
            h = pointwise_unit(unit(h, slots, batch), slots, batch)
            return x + expand(norm_out(h, batch).relu_(), slots, batch)

        return step


BLOCKS = {"relu": ReLUBlock, "multiplicative": MultiplicativeBlock}


class ResidualStack(nn.Module):
    """Residual blocks in sets: each set runs once through the dilations (Section 3.3).

    Shape: (B, T, 2d) -> (B, T, 2d). With `cache` (masked stacks only) T new columns follow those of the calls before.

    Args:
        d: channels inside the blocks; columns outside are 2d wide.
        sets: how often the dilations are repeated.
        kernel: of the dilated convolution; must be odd where not masked.
        dilations: of the blocks of a set.
        block: `relu` or `multiplicative`.
        norm: `layer` or `sub_batch`.
        masked: True for a target network, False for a source network.
        buckets: sets of running statistics that Sub-Batch Normalisation keeps.

    Raises:
        ValueError: an unknown block or norm, no dilation, a dilation or a kernel below 1, an even centred kernel.
    """

    def __init__(
        self,
        d: int,
        sets: int,
        kernel: int,
        dilations: Sequence[int] = (1, 2, 4, 8, 16),
        block: str = "relu",
        norm: str = "layer",
        masked: bool = True,
        buckets: int = 1,
    ) -> None:
        super().__init__()
        if block not in BLOCKS:
            raise ValueError(f"block {block}: unknown; choose one of {', '.join(BLOCKS)}")
        if not dilations:
            raise ValueError("dilations: empty; the paper has 1,2,4,8,16")
        self.blocks = nn.ModuleList(
            BLOCKS[block](d, kernel, dilation, norm, masked, buckets) for _ in range(sets) for dilation in dilations
        )
        self.channels = d
        self.masked = masked

    @property
    def receptive_field(self) -> int:
        """Columns on which one output column depends, itself included: 1 + the sum of (kernel - 1) * dilation."""
        return 1 + sum(conv.reach for conv in self._convolutions())

    def _convolutions(self) -> list[DilatedConv]:
        return [module for module in self.modules() if isinstance(module, DilatedConv)]

    def new_cache(self) -> ConvCache:
        """An empty cache for a generation that starts now."""
        assert self.masked, "only a masked stack can generate"
        return ConvCache([conv for conv in self._convolutions() if conv.kernel > 1], self.channels)

    def forward(self, x: Tensor, batch: BatchParts, cache: ConvCache | None = None) -> Tensor:
        if cache is not None and x.size(1) == 1 and not torch.is_grad_enabled():
            return self._next_column(x, batch, cache)
        for block in self.blocks:
            x = block(x, batch, cache)
        if cache is not None:
            cache.advance(x.size(1))
        return x

    def _next_column(self, x: Tensor, batch: BatchParts, cache: ConvCache) -> Tensor:
        if cache.steps is None:
            cache.steps = [block.column_step() for block in cast(Iterable[ReLUBlock], self.blocks)]
        slots = cache.slots(x)
        column = x.flatten() if x.size(0) == 1 else x.squeeze(1)
        for step in cache.steps:
            column = step(column, slots, batch)
        cache.advance(1)
        return column.view(x.shape)
