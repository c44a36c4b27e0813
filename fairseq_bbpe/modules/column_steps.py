"""One new column through a network's layers in generation, without calling their modules.

The arithmetic of a column takes less time than PyTorch needs to call a module and to look up what it holds. So each
layer gives a function over its weights, made once a generation; it computes what the module computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_bbpe.modules.batch_parts import BatchParts

# Columns are (C,) of one hypothesis or (B, C) of several. A convolution has its slots: where the new column goes,
# (..., inputs), and all that it multiplies, (..., kernel * inputs), of which that is the last part.
Slots = Mapping[Any, tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Slots, BatchParts], Tensor]


def normalise_step(norm: nn.Module) -> Callable[[Tensor, BatchParts], Tensor]:
    """What `LayerNorm` or `SubBatchNorm` do to a column."""
    if not isinstance(norm, nn.LayerNorm):
        return lambda x, batch: norm(x.view(-1, 1, x.size(-1)), batch).view(x.shape)
    shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
    return lambda x, batch: torch.layer_norm(x, shape, weight, bias, eps)


def multiply_step(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    """What a linear layer does to a column."""
    if type(layer) is not nn.Linear:  # quantised, or with adapters
        return layer
    weight, bias = layer.weight, layer.bias

    def multiply(x: Tensor) -> Tensor:
        # torch reads a matrix faster for a vector than for a matrix of one row.
        return torch.addmv(bias, weight, x) if x.dim() == 1 else F.linear(x, weight, bias)

    return multiply


def convolve_step(conv: nn.Module, kernel: int, taps: nn.Linear) -> Step:
    """What a masked convolution does to a column and the earlier ones that its slots hold."""
    multiply = multiply_step(taps)
    if kernel == 1:
        return lambda x, slots, batch: multiply(x)

    def convolve(x: Tensor, slots: Slots, batch: BatchParts) -> Tensor:
        new, read = slots[conv]
        new.copy_(x)
        return multiply(read)

    return convolve
