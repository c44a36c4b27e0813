"""Sum rows of a large table at every position, with a gradient that processes exchange by its rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed


class SummedRows(torch.autograd.Function):
    """`table[rows].sum(-2)`, without row 0: one lookup for all n-grams, and one gradient.

    Where several processes train, the gradient is averaged over them here, the rows in use alone, so a table of 10^5
    rows is not all-reduced: list it in the model's `_ddp_params_and_buffers_to_ignore` for `DistributedDataParallel`.
    (A second averaging, by another backend, of what all processes have alike changes nothing.)

    Shape: table (N, C), rows (B, T, n) -> (B, T, C)
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape, ctx.dtype = table.shape, table.dtype
        bags = rows.flatten(0, -2)
        return F.embedding_bag(bags, table, mode="sum", padding_idx=0).view(*rows.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        gradient = gradients[0].flatten(0, -2)
        used, place = rows.flatten(0, -2).unique(return_inverse=True)
        sums = gradient.new_zeros(len(used), gradient.size(1), dtype=torch.promote_types(gradient.dtype, torch.float))
        for n_th in place.unbind(-1):
            sums.index_add_(0, n_th, gradient.to(sums.dtype))
        sums[used == 0] = 0
        table = gradient.new_zeros(ctx.shape, dtype=ctx.dtype)
        # Process by process, and no row twice in one: every process adds in the same order and gets the same bits.
        shares = _exchange(used, sums)
        for theirs, summed in shares:
            table.index_add_(0, theirs, (summed / len(shares)).to(ctx.dtype))
        return table, None


def _exchange(used: Tensor, sums: Tensor) -> list[tuple[Tensor, Tensor]]:
    """What every process has, in the order of their ranks: numbers of rows (U,) and the rows (U, C)."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return [(used, sums)]
    processes = distributed.get_world_size()
    counts = [torch.zeros_like(used[:1]) for _ in range(processes)]
    distributed.all_gather(counts, used.new_tensor([len(used)]))
    longest = int(torch.cat(counts).max())
    padded_used, padded_sums = F.pad(used, (0, longest - len(used))), F.pad(sums, (0, 0, 0, longest - len(used)))
    all_used = [torch.empty_like(padded_used) for _ in range(processes)]
    all_sums = [torch.empty_like(padded_sums) for _ in range(processes)]
    distributed.all_gather(all_used, padded_used)
    distributed.all_gather(all_sums, padded_sums)
    return [
        (theirs[: int(count)], rows[: int(count)])
        for theirs, rows, count in zip(all_used, all_sums, counts, strict=True)
    ]
