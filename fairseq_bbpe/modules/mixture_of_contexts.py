"""A mixture of contexts for the heads of attention (Ada-MSHA in Huang, Bu and Feng, 2025, "MoCE").

How much context a byte-level subword wants depends on its script, on its place in a character, on the head that looks
at it. So each head's part of each query, key and value picks for itself: a router weighs convolutions of several
widths, the experts, and the best two of them are mixed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MixtureOfContexts(nn.Module):
    """x'_t = sum_i G_i(x_t) g_i(x)_t (Eq. 11), with the `best` largest of the router's weights (Eq. 2, 3 and 12).

    The experts (Eq. 4) are the identity for the kernel 0 and full convolutions for the others; they and the router
    serve all heads of queries, keys and values. What lies beyond a sentence counts as zero, be it padding or the edge
    of the batch, so what a position becomes depends on its own sentence alone.

    Args:
        head_dim: channels D of a head
        kernels: columns that each expert sees, odd or 0
        best: how many experts a position mixes

    Raises `ValueError` for an even kernel but 0, and where `best` is not between 1 and the number of kernels.
    """

    def __init__(self, head_dim: int, kernels: Sequence[int] = (0, 1, 3, 5, 7), best: int = 2):
        super().__init__()
        for kernel in kernels:
            if kernel < 0 or (kernel and kernel % 2 == 0):
                raise ValueError(f"kernel {kernel} is neither odd nor 0")
        if not 1 <= best <= len(kernels):
            raise ValueError(f"the best {best} of {len(kernels)} experts cannot be mixed")
        self.best = best
        self.experts = nn.ModuleList(
            nn.Conv1d(head_dim, head_dim, kernel, padding=kernel // 2) if kernel else nn.Identity()
            for kernel in kernels
        )
        self.router = nn.Linear(head_dim, len(kernels), bias=False)

    def weights(self, x: Tensor) -> Tensor:
        """G(x): ``(..., D)`` to ``(..., experts)``, a distribution over the best experts and zero for the others.

        A softmax over the largest scores alone is their share of the softmax over all (Eq. 12), scaled to sum to 1.
        """
        scores = self.router(x)
        best, which = scores.topk(self.best, dim=-1)
        return torch.full_like(scores, -math.inf).scatter(-1, which, best).softmax(-1)

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Put each head of a projection in its contexts.

        Shape:
            - x: ``(B, H, T, D)``, padding_mask: ``(B, T)``, True at padding
            - output: ``(B, H, T, D)``, anything at padding
        """
        weights = self.weights(x).to(x.dtype)  # under autocast a softmax is wider than what it weighs
        if padding_mask is not None:
            x = x.masked_fill(padding_mask[:, None, :, None], 0)
        # B x H x T x D -> B H x D x T
        heads = x.flatten(0, 1).transpose(1, 2)
        mixed = torch.zeros_like(x)
        for expert, weight in zip(self.experts, weights.unbind(-1), strict=True):
            context = expert(heads).transpose(1, 2).unflatten(0, x.shape[:2])
            mixed = mixed + weight.unsqueeze(-1) * context
        return mixed
