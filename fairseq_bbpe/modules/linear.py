"""Linear layers whose float32 products take the faster of torch's ways on the CPU at hand.

torch multiplies float32 matrices with MKL. On AMD processors that leaves two things undone: large products do not use
the AVX-512 units, which oneDNN, the other library in every build of torch, does; and a product of a few rows, as a step
of generation has, first copies the weights into another layout, which computing (W x^T)^T spares. All of them compute
in float32.
"""

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Below this many rows the cost of laying out the weights for oneDNN outweighs its speed.
MIN_ROWS = 512
# Products of 2 to so many rows, of weights with at least so many rows of their own, are faster the other way around.
FEW_ROWS = 8
MIN_OUTPUTS = 512
MAX_RELATIVE_ERROR = 1e-6


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, with x `(..., K)`, W `(N, K)` and b `(N)`, as `torch.nn.functional.linear` defines it."""
    if _in_plain_float32(x, weight):
        rows = x.numel() // max(1, x.size(-1))
        if rows >= MIN_ROWS and prefers_onednn():
            return _OneDNNLinear.apply(x, weight, bias)
        if 2 <= rows <= FEW_ROWS and weight.size(0) >= MIN_OUTPUTS and _is_amd():
            return _few_rows(x, weight, bias)
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """`torch.nn.Linear`, computed by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class Columns:
    """A copy of a weight `(N, K)` in which its columns lie together, as MKL reads them sooner for few rows.

    On an Intel Xeon, 5 rows by 4,096 outputs of 256 inputs take 0.6 of the time. On AMD `linear` has a way of its own.

    Args:
        weight: of a layer that does not train any more
    """

    def __init__(self, weight: Tensor):
        self.of, self.version, self.columns = weight.detach(), -1, None
        if _in_plain_float32(weight, weight) and not weight.is_inference() and not _is_amd():
            self.version, self.columns = weight._version, self.of.t().contiguous()

    def multiply(self, x: Tensor, weight: Tensor) -> Tensor | None:
        """x W^T of `x` ``(R, K)``; None where `weight` has changed, for other types than float32, or off the CPU."""
        if self.columns is None or not _in_plain_float32(x, weight):
            return None
        # `of` keeps the memory, so no other weight can come to lie there.
        same = weight.data_ptr() == self.of.data_ptr() and weight._version == self.version
        return x @ self.columns if same else None


@cache
def prefers_onednn() -> bool:
    """Whether oneDNN is here, is the faster library for this processor, and keeps float32's precision.

    The choice depends on the processor alone, never on a timing, so that runs on one machine stay reproducible.
    """
    if not (_is_amd_with_avx512() and torch.backends.mkldnn.is_available()):
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(size, 256, generator=generator) for size in (MIN_ROWS, 128))
    exact = x.double() @ weight.double().t()
    error = (_product(x, weight).double() - exact).norm() / exact.norm()
    return error.item() <= MAX_RELATIVE_ERROR


def _is_amd_with_avx512() -> bool:
    return _is_amd() and torch.backends.cpu.get_cpu_capability() == "AVX512"


@cache
def _is_amd() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "AuthenticAMD" in cpuinfo.read_text()


def _in_plain_float32(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _few_rows(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    columns = x.reshape(-1, x.size(-1)).t()
    out = weight @ columns if bias is None else torch.addmm(bias.unsqueeze(1), weight, columns)
    return out.t().contiguous().view(*x.shape[:-1], weight.size(0))


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.size(-1))
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = _product(rows, weight.t()).view_as(x)
        if ctx.needs_input_grad[1]:
            # Both operands would have to be laid out anew for oneDNN: MKL is as fast.
            grad_weight = rows.t() @ x.reshape(-1, x.size(-1))
        if ctx.needs_input_grad[2]:
            grad_bias = rows.sum(0)
        return grad_x, grad_weight, grad_bias
