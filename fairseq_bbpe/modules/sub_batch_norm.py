"""Sub-Batch Normalisation (Section 3.5): normalise one part of a batch with the statistics of another."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fairseq_bbpe.modules.batch_parts import BatchParts

NORMS = ("sub_batch", "layer")
STATISTICS = ("running_mean", "running_var")


class SubBatchNorm(nn.Module):
    """Batch normalisation that never lets a prediction see the symbols it must predict (Section 3.5).

    In training, mean and variance come from the symbols of the auxiliary rows alone and normalise every row. In
    evaluation they are those that `estimate_statistics` has collected, for each row those of its target length
    (Section 6). Training itself remembers nothing: what it would remember belongs to weights that are gone.

    Shape: (B, T, C) -> (B, T, C)

    Args:
        channels: C.
        buckets: number of sets of statistics.
        eps: added to a variance.

    Raises:
        ValueError: in training, when the batch has no auxiliary or no main part.
    """

    running_mean: Tensor
    running_var: Tensor
    columns_seen: Tensor

    def __init__(self, channels: int, buckets: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.estimating = False
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(buckets, channels))
        self.register_buffer("running_var", torch.ones(buckets, channels))
        self.register_buffer("columns_seen", torch.zeros(buckets, dtype=torch.long))

    def forward(self, x: Tensor, batch: BatchParts) -> Tensor:
        if self.estimating:
            mean, var, columns = moments(x, batch.non_pad_mask)
            assert isinstance(batch.statistics, int), "a batch of one interval for its statistics"
            self._collect(mean, var, columns, batch.statistics)
            scale, shift = self._scale_and_shift(mean, var)
        elif self.training:
            scale, shift = self._scale_and_shift(*self._auxiliary_statistics(x, batch))
        else:
            scale, shift = self.fold(batch.statistics) if batch.folded is None else batch.folded[self]
        return torch.addcmul(shift, x, scale).to(x.dtype)

    def fold(self, statistics: Tensor | int) -> tuple[Tensor, Tensor]:
        """Scale and shift in evaluation: (C,) for one set of statistics, (B, 1, C) for a set for each row."""
        mean, var = (getattr(self, name)[statistics] for name in STATISTICS)
        if mean.dim() == 2:
            mean, var = mean.unsqueeze(1), var.unsqueeze(1)
        return self._scale_and_shift(mean, var)

    def _scale_and_shift(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        # In 32 bits: a mean that is large against its deviation would not survive being rounded.
        scale = self.weight.float() * torch.rsqrt(var + self.eps)
        return scale, self.bias.float() - mean * scale

    def _auxiliary_statistics(self, x: Tensor, batch: BatchParts) -> tuple[Tensor, Tensor]:
        if not 0 < batch.num_auxiliary < x.size(0):
            raise ValueError(
                "Sub-Batch Normalisation splits every training batch into a main and an auxiliary part, but got "
                f"{x.size(0)} rows of which {batch.num_auxiliary} are auxiliary"
            )
        mask = batch.non_pad_mask
        mean, var, _ = moments(x[-batch.num_auxiliary :], None if mask is None else mask[-batch.num_auxiliary :])
        return mean, var

    def _collect(self, mean: Tensor, var: Tensor, columns: Tensor | int, row: int) -> None:
        """Pool a batch with those before it: mean and variance of all their columns together."""
        self.columns_seen[row] += columns
        share = columns / self.columns_seen[row]
        change = mean - self.running_mean[row]
        self.running_var[row] += share * (var - self.running_var[row] + (1 - share) * change.square())
        self.running_mean[row] += share * change

    def _apply(self, fn, recurse: bool = True):
        # `model.half()` must not round the statistics; as integers they move with the model, but are never cast.
        for name in STATISTICS:
            self._buffers[name] = getattr(self, name).view(torch.int32)
        super()._apply(fn, recurse)
        for name in STATISTICS:
            self._buffers[name] = getattr(self, name).view(torch.float32)
        return self

    def _load_from_state_dict(self, state_dict, prefix, *arguments) -> None:
        seen = state_dict.pop(prefix + "batches_seen", None)  # version 0.1.0: a set for each pair of intervals
        if seen is not None:
            mean, var = (state_dict[prefix + name] for name in STATISTICS)
            if len(seen) == len(self.columns_seen) ** 2:
                mean, var, seen = _pool_sources(mean, var, seen)
            state_dict |= {prefix + "running_mean": mean, prefix + "running_var": var, prefix + "columns_seen": seen}
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, buckets={self.columns_seen.numel()}, eps={self.eps}"


def moments(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | int]:
    """Mean (C,), variance (C,) and number of the columns of `x` (B, T, C) where `mask` (B, T) is True."""
    x = x.float()
    if mask is None:
        var, mean = torch.var_mean(x, dim=(0, 1), correction=0)
        return mean, var, x.size(0) * x.size(1)
    counted = mask.unsqueeze(-1).to(x.dtype)
    columns = mask.sum()
    mean = (x * counted).sum(dim=(0, 1)) / columns
    return mean, ((x - mean).square() * counted).sum(dim=(0, 1)) / columns, columns


@torch.no_grad()
def estimate_statistics(model: nn.Module, batches: Iterable[dict]) -> None:
    """Replace a model's statistics by those of these batches under its present weights; without a batch they stay.

    Args:
        batches: keyword arguments of the model. In evaluation mode but for Sub-Batch Normalisation, which normalises
            each batch with the statistics of all its rows and pools them with those of the batches before.
    """
    norms = [module for module in model.modules() if isinstance(module, SubBatchNorm)]
    was_training = model.training
    model.eval()
    try:
        for number, batch in enumerate(batches):
            for norm in norms:
                norm.estimating = True
                if number == 0:
                    norm.columns_seen.zero_()
            model(**batch)
    finally:
        for norm in norms:
            norm.estimating = False
        model.train(was_training)


def _pool_sources(mean: Tensor, var: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One set of statistics for each target interval out of one for each (source, target) pair of intervals."""
    intervals = round(len(seen) ** 0.5)
    total = seen.view(intervals, intervals).sum(dim=0)
    share = (seen.view(intervals, intervals) / total.clamp(min=1)).unsqueeze(-1)
    mean, var = (statistic.float().view(intervals, intervals, -1) for statistic in (mean, var))
    pooled = (share * mean).sum(dim=0)
    spread = (share * (var + (mean - pooled).square())).sum(dim=0)
    return pooled, torch.where(total.unsqueeze(1) > 0, spread, torch.ones_like(spread)), total


class LayerNorm(nn.LayerNorm):
    """Layer normalisation, the second version's choice: every column by itself, whatever the batch.

    Shape: (B, T, C) -> (B, T, C)
    """

    def forward(self, x: Tensor, batch: BatchParts) -> Tensor:  # type: ignore[override]  # called as Sub-BN is
        return super().forward(x)


def normalisation(kind: str, channels: int, buckets: int = 1) -> nn.Module:
    """The layer of this kind, called as `norm(x, batch)`; raises ValueError for any that is not in `NORMS`."""
    if kind == "sub_batch":
        return SubBatchNorm(channels, buckets)
    if kind == "layer":
        return LayerNorm(channels)
    raise ValueError(f"unknown normalisation {kind!r}; choose one of {', '.join(NORMS)}")
