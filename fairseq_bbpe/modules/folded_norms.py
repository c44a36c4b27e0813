"""Sub-Batch Normalisation in generation: its statistics stand still, so it is one scale and one shift a channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm


class FoldedNorms:
    """Scale and shift of every `SubBatchNorm` of a network, computed once a sentence and not at every step.

    Args:
        network: holds the norms, in evaluation.
        statistics: as in `BatchParts`, those of the first step: later steps use no others.
    """

    def __init__(self, network: nn.Module, statistics: Tensor | int) -> None:
        self._norms = [module for module in network.modules() if isinstance(module, SubBatchNorm)]
        self._sets = statistics.unique() if isinstance(statistics, Tensor) else torch.tensor([statistics])
        folded = [norm.fold(self._sets) for norm in self._norms]  # (sets, 1, C) each
        self._tables = [torch.cat(parts, dim=-1) for parts in zip(*folded, strict=True)]
        self._sizes = [norm.weight.numel() for norm in self._norms]
        self._split = self._by_norm(self._tables) if len(self._sets) == 1 else None

    def of_rows(self, statistics: Tensor | int) -> dict[nn.Module, tuple[Tensor, Tensor]]:
        """For each norm scale and shift, (B, 1, C) where the rows' statistics (B,) differ and (1, 1, C) otherwise."""
        if self._split is not None:
            return self._split
        rows = torch.searchsorted(self._sets, statistics)
        return self._by_norm([table.index_select(0, rows) for table in self._tables])

    def _by_norm(self, tables: list[Tensor]) -> dict[nn.Module, tuple[Tensor, Tensor]]:
        pairs = zip(*(table.split(self._sizes, dim=-1) for table in tables), strict=True)
        return dict(zip(self._norms, pairs, strict=False))
