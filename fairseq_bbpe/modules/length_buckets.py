"""Length intervals: which statistics belong to a target length, which target lengths to a source length (Section 6).

The paper names lengths twice. In training "each pair of sentences is mapped to a bucket based on the pair of padded
lengths for efficient batching"; in decoding "each hypothesis uses Sub-BN statistics that are specific to a target
length interval". So batches are made by the pair, and statistics are kept for each interval of the target alone: one
set for each pair would leave most sets with a handful of batches, and most of the search with candidates that
training hardly saw.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# An interval that holds a smaller share of the training pairs shares the statistics of its nearest neighbour.
SMALLEST_SHARE = 0.001


class LengthBuckets(nn.Module):
    """Intervals of `width` symbols on either side, and how many training pairs fall into each pair of them.

    Lengths count the end-of-sentence symbol. A length beyond `longest` falls into the last interval. Intervals that
    share one set of statistics are neighbours; a set has the number of the interval that it is estimated from.

    Args:
        width: of an interval; sentences are padded to the next multiple of it (the paper's: 25).
        longest: the longest sentence with an interval of its own; decides how many statistics are kept.

    Raises:
        ValueError: width below 1, or longest below width.

    >>> buckets = LengthBuckets(width=25, longest=100)
    >>> buckets.interval(torch.tensor([1, 25, 26, 100, 4000])).tolist()
    [0, 0, 1, 3, 3]
    """

    pairs: Tensor

    def __init__(self, width: int = 25, longest: int = 500) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"an interval of {width} symbols: at least 1, and the paper's are 25 wide")
        if longest < width:
            raise ValueError(f"the longest length, {longest}, lies within the first interval of {width} symbols")
        self.width = width
        self.intervals = -(-longest // width)
        self.register_buffer("pairs", torch.zeros(self.intervals, self.intervals, dtype=torch.long))

    def __len__(self) -> int:
        return self.intervals

    def interval(self, lengths: Tensor) -> Tensor:
        """Number of the interval of each length, from 0."""
        return ((lengths - 1) // self.width).clamp(0, self.intervals - 1)

    @torch.no_grad()
    def count(self, source_lengths: Tensor, target_lengths: Tensor) -> None:
        """Count the training pairs (N,) afresh."""
        pair = self.interval(source_lengths) * self.intervals + self.interval(target_lengths)
        self.pairs.copy_(torch.bincount(pair, minlength=self.intervals**2).view_as(self.pairs))

    def statistics(self, target_lengths: Tensor) -> Tensor:
        """Number of the statistics of each target length."""
        return _nearest_frequent(self.pairs.sum(dim=0))[self.interval(target_lengths)]

    def likeliest(self, source_lengths: Tensor) -> Tensor:
        """For each source length the statistics that most training pairs of such a source have."""
        return self._pairs_by_statistics().argmax(dim=1)[self.interval(source_lengths)]

    def candidates(self, source_length: int, smallest_share: float = 0.0) -> list[int]:
        """Statistics of at least this share of the training pairs whose source is as long; never none."""
        pairs = self._pairs_by_statistics()[int(self.interval(torch.tensor(source_length)))]
        if not pairs.any():
            return [int(pairs.argmax())]
        enough = (pairs > 0) & (pairs >= smallest_share * pairs.sum())
        return enough.nonzero().flatten().tolist() or [int(pairs.argmax())]

    def bounds(self, statistics: int) -> tuple[int, int | None]:
        """Shortest and longest target length that a set of statistics serves, both included; None has no end."""
        served = (_nearest_frequent(self.pairs.sum(dim=0)) == statistics).nonzero().flatten()
        first, last = int(served[0]), int(served[-1])
        return first * self.width + 1, None if last == self.intervals - 1 else (last + 1) * self.width

    def _pairs_by_statistics(self) -> Tensor:
        """Training pairs (source interval, statistics); a rare source interval stands for its nearest neighbour."""
        of_target = _nearest_frequent(self.pairs.sum(dim=0))
        of_source = _nearest_frequent(self.pairs.sum(dim=1))
        pooled = torch.zeros_like(self.pairs).index_add_(1, of_target, self.pairs)
        pooled = torch.zeros_like(self.pairs).index_add_(0, of_source, pooled)[of_source]
        # Before training nothing is known: as long as the source.
        return torch.where(pooled.any(), pooled, torch.eye(self.intervals, dtype=pooled.dtype, device=pooled.device))

    def _load_from_state_dict(self, state_dict, prefix, *arguments) -> None:
        counted = state_dict.pop(prefix + "batches_seen", None)  # version 0.1.0 counted batches
        if counted is not None:
            state_dict[prefix + "pairs"] = counted
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _nearest_frequent(counts: Tensor) -> Tensor:
    """For each interval (I,) the nearest that holds its share of all pairs, itself where it does; ties to the shorter.

    No interval that is searched for a minimum leaves the device, so that nothing waits for it.
    """
    frequent = counts >= (counts.sum() * SMALLEST_SHARE).clamp(min=2)  # a batch must be split in two
    number = torch.arange(len(counts), device=counts.device)
    likeliest = (number == counts.argmax()) | ~counts.any()  # of a handful of pairs; before any, each is its own
    frequent = torch.where(frequent.any(), frequent, likeliest)
    distance = (number.unsqueeze(1) - number).abs()
    return distance.masked_fill(~frequent, len(counts)).argmin(dim=1)
