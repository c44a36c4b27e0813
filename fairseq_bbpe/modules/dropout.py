"""Dropout that draws 16 random bits an element on a CPU, where torch draws a float: in a third of the time or less."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

LEVELS = 2**16


def dropout(x: Tensor, p: float) -> Tensor:
    """Zero each element with probability p and scale the others by 1 / (1 - p); p is rounded to 2^-16 on a CPU.

    Raises `ValueError` if p is not a probability.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout {p} is not a probability")
    dropped = round(p * LEVELS)
    if x.device.type != "cpu" or dropped in (0, LEVELS) or torch.compiler.is_compiling():
        return F.dropout(x, p)
    return _Dropout.apply(x, dropped)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, dropped):
        # One call of torch's generator gives 64 bits, which serve four elements.
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int16)[: x.numel()].view(x.shape).ge_(dropped - LEVELS // 2)  # 0 or 1
        ctx.save_for_backward(kept)
        ctx.scale = LEVELS / (LEVELS - dropped)
        return _kept(x, kept).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (kept,) = ctx.saved_tensors
        return _kept(gradient, kept).mul_(ctx.scale), None


def _kept(x: Tensor, kept: Tensor) -> Tensor:
    """x where `kept` is 1, and 0 where it is 0."""
    if x.element_size() == kept.element_size():
        # A number of 16 bits times 0 or 1 is that of its bits: nothing is converted, at a fifth of the time. What is
        # dropped becomes 0 even where it was no number.
        return (x.view(torch.int16) * kept).view(x.dtype)
    return x * kept
