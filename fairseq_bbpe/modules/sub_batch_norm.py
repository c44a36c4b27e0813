"""Sub-Batch Normalisation (Section 3.5): normalise one part of a batch with the statistics of another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fairseq_bbpe.errors import UserError

NORMS = ("sub_batch", "layer")


@dataclass
class BatchParts:
    """What the layers of a network must know about a batch besides its activations (B, T, C).

    Attributes:
        real: (B, T), True where a symbol stands and False on padding; None where every column is real.
        auxiliary: how many rows, the last of the batch, only provide statistics; 0 outside training.
        bucket: (B,), which running statistics belong to each row; None for the first.
    """

    real: Tensor | None = None
    auxiliary: int = 0
    bucket: Tensor | None = None

    def main(self, x: Tensor) -> Tensor:
        """The rows of `x` (B, ...) whose predictions count."""
        return x[: x.size(0) - self.auxiliary]


class SubBatchNorm(nn.Module):
    """Batch normalisation that never lets a prediction see the symbols it must predict (Section 3.5).

    In training, mean and variance come from the real columns of the auxiliary rows alone and normalise every row.
    In evaluation each row is normalised with the running statistics of its bucket (Section 6).

    Shape: (B, T, C) -> (B, T, C)

    Args:
        channels: C.
        buckets: number of sets of running statistics.
        momentum: weight of a new batch in a running statistic, once the bucket has seen 1 / momentum batches;
            before that a plain mean over the batches, so that rare buckets are not held back by their start.

    Raises:
        UserError: in training, when the batch has no auxiliary or no main part.
    """

    def __init__(self, channels: int, buckets: int = 1, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(buckets, channels))
        self.register_buffer("running_var", torch.ones(buckets, channels))
        self.register_buffer("batches_seen", torch.zeros(buckets, dtype=torch.long))

    def forward(self, x: Tensor, batch: BatchParts) -> Tensor:
        if self.training:
            mean, var = self._auxiliary_statistics(x, batch)
            self._remember(mean.detach(), var.detach(), batch.bucket)
        else:
            bucket = batch.bucket if batch.bucket is not None else x.new_zeros(1, dtype=torch.long)
            mean, var = self.running_mean[bucket].unsqueeze(1), self.running_var[bucket].unsqueeze(1)
        scale = self.weight.float() * torch.rsqrt(var + self.eps)
        shift = self.bias.float() - mean * scale
        return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype))

    def _auxiliary_statistics(self, x: Tensor, batch: BatchParts) -> tuple[Tensor, Tensor]:
        if not 0 < batch.auxiliary < x.size(0):
            raise UserError(
                f"--norm sub_batch splits every training batch into a main and an auxiliary part, but got {x.size(0)} "
                f"rows of which {batch.auxiliary} are auxiliary: train with --task translation_sub_batch, "
                "or choose --norm layer"
            )
        auxiliary = x[-batch.auxiliary :].float()
        if batch.real is None:
            var, mean = torch.var_mean(auxiliary, dim=(0, 1), correction=0)
            return mean, var
        real = batch.real[-batch.auxiliary :].unsqueeze(-1).to(auxiliary.dtype)  # padding counts for nothing
        columns = real.sum()
        mean = (auxiliary * real).sum(dim=(0, 1)) / columns
        var = ((auxiliary - mean).square() * real).sum(dim=(0, 1)) / columns
        return mean, var

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, bucket: Tensor | None) -> None:
        # A batch that fills up from a neighbouring bucket still counts as one of the bucket most of its rows have.
        row = bucket.mode().values if bucket is not None else 0
        self.batches_seen[row] += 1
        weight = (1.0 / self.batches_seen[row]).clamp(min=self.momentum)
        self.running_mean[row] += weight * (mean - self.running_mean[row])
        self.running_var[row] += weight * (var - self.running_var[row])

    def _apply(self, fn, recurse: bool = True):
        # `model.half()` must not round the running statistics: a mean of 1,000 small steps needs 32 bits.
        super()._apply(fn, recurse)
        self.running_mean = self.running_mean.float()
        self.running_var = self.running_var.float()
        return self

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, buckets={self.batches_seen.numel()}, momentum={self.momentum}"


class LayerNorm(nn.LayerNorm):
    """Layer normalisation, the second version's choice: every column by itself, whatever the batch.

    Shape: (B, T, C) -> (B, T, C)
    """

    def forward(self, x: Tensor, batch: BatchParts) -> Tensor:
        return super().forward(x)


def normalisation(kind: str, channels: int, buckets: int = 1) -> nn.Module:
    """The layer that `--norm` names, called as `norm(x, batch)`; raises UserError on any other name."""
    if kind == "sub_batch":
        return SubBatchNorm(channels, buckets)
    if kind == "layer":
        return LayerNorm(channels)
    raise UserError(f"--norm {kind}: unknown; choose one of {', '.join(NORMS)}")
