"""Buckets by the pair of padded lengths (Section 6): which batches belong together, which statistics to a sentence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fairseq_bbpe.errors import UserError


class LengthBuckets(nn.Module):
    """Intervals of `width` symbols on either side, a bucket for each pair of them, and how often each was trained on.

    Lengths count the end-of-sentence symbol. A length beyond `longest` falls into the last interval.

    Args:
        width: of an interval; sentences are padded to the next multiple of it (the paper's: 25).
        longest: the longest sentence with an interval of its own; decides how many statistics are kept.

    Raises:
        UserError: width below 1, or longest below width.

    >>> buckets = LengthBuckets(width=25, longest=100)
    >>> buckets.interval(torch.tensor([1, 25, 26, 100, 4000])).tolist()
    [0, 0, 1, 3, 3]
    """

    def __init__(self, width: int = 25, longest: int = 500) -> None:
        super().__init__()
        if width < 1:
            raise UserError(f"--bucket-width must be at least 1, got {width}: the paper's is 25")
        if longest < width:
            raise UserError(f"--bucket-longest {longest} is below --bucket-width {width}: raise the first")
        self.width = width
        self.intervals = -(-longest // width)
        self.register_buffer("batches_seen", torch.zeros(self.intervals, self.intervals, dtype=torch.long))

    def __len__(self) -> int:
        return self.intervals**2

    def interval(self, lengths: Tensor) -> Tensor:
        """Number of the interval of each length, from 0."""
        return ((lengths - 1) // self.width).clamp(0, self.intervals - 1)

    def bounds(self, interval: int) -> tuple[int, int]:
        """Shortest and longest length of an interval, both included."""
        return interval * self.width + 1, (interval + 1) * self.width

    def bucket(self, source_interval: Tensor, target_interval: Tensor) -> Tensor:
        """Number of the bucket of each pair of intervals."""
        return source_interval * self.intervals + target_interval

    @torch.no_grad()
    def observe(self, bucket: Tensor) -> None:
        """Count one training batch, under the bucket most of its rows have (as Sub-Batch Normalisation does)."""
        self.batches_seen.view(-1)[bucket.mode().values] += 1

    def nearest_seen(self, bucket: Tensor) -> Tensor:
        """Replace every bucket without statistics by the nearest with some; all stay where none has any."""
        seen = self.batches_seen.view(-1).nonzero().squeeze(1)
        if len(seen) == 0:
            return bucket
        source, target = bucket // self.intervals, bucket % self.intervals
        distance = (source[:, None] - seen // self.intervals).abs() + (target[:, None] - seen % self.intervals).abs()
        return seen[distance.argmin(dim=1)]

    def _nearest_source(self, source_interval: int) -> int:
        seen = self.batches_seen.any(dim=1).nonzero().flatten().tolist()
        return min(seen, key=lambda interval: abs(interval - source_interval), default=source_interval)

    def candidates(self, source_interval: int) -> list[int]:
        """Target intervals that training saw with this source interval, or else with the nearest; at least one."""
        targets = self.batches_seen[self._nearest_source(source_interval)].nonzero().flatten().tolist()
        return targets or [source_interval]

    def likeliest(self, source_interval: Tensor) -> Tensor:
        """The target interval that training saw most often with each source interval (B,), where nobody says which."""
        best = []
        for source in source_interval.tolist():
            seen = self.batches_seen[self._nearest_source(source)]
            best.append(int(seen.argmax()) if seen.any() else source)
        return torch.tensor(best, device=source_interval.device)
