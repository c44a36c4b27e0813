"""Training batches for Sub-Batch Normalisation: of one target interval, with an auxiliary part (Sections 3.5, 6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, LanguagePairDataset

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.length_buckets import LengthBuckets


def auxiliary_rows(rows: int, share: float) -> int:
    """How many rows of a batch are auxiliary: the share, rounded down, but at least one row in either part.

    Rounded down, a share of up to a half lets two epochs count every row in the loss.

    >>> [auxiliary_rows(rows, 0.5) for rows in (2, 3, 8)]
    [1, 1, 4]
    """
    return min(max(1, int(share * rows)), rows - 1)


class SubBatchDataset(BaseWrapperDataset):
    """Batches a parallel corpus by the pair of padded lengths, and splits each batch into main and auxiliary part.

    All pairs of a batch belong to the same statistics. The parts turn with the epochs: in every batch the auxiliary
    sentences of one epoch are followed by the next ones, so that with half of a batch auxiliary, or less, two epochs
    count every sentence in the loss.

    Args:
        dataset: the corpus.
        buckets: length intervals, which learn from `batch_by_size` how many pairs fall into each.
        share: of the auxiliary sentences in a batch; at least one sentence is auxiliary and one is not.

    Raises:
        UserError: `share` not between 0 and 1; a batch size that leaves fewer than two sentences in a batch.
    """

    # Worker processes hold a copy of the data set, which does not hear of a new epoch: they must start anew with it.
    can_reuse_epoch_itr_across_epochs = False

    def __init__(self, dataset: LanguagePairDataset, buckets: LengthBuckets, share: float = 0.5) -> None:
        super().__init__(dataset)
        if not 0 < share < 1:
            raise UserError(f"--auxiliary-share must lie between 0 and 1, got {share}: half is 0.5")
        self.buckets = buckets
        self.share = share
        self.epoch = 1
        self.statistics = np.zeros(len(dataset), dtype=np.int64)  # of each pair
        self.batches: list[np.ndarray] = []

    def set_epoch(self, epoch: int) -> None:
        """Whose turn it is to be auxiliary."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def ordered_indices(self) -> np.ndarray:
        """In random order: buckets take care of the lengths, and no part of a batch should be the shorter one."""
        return np.random.permutation(len(self)) if self.dataset.shuffle else np.arange(len(self))

    def padded_sizes(self, indices: np.ndarray) -> np.ndarray:
        """Source and target lengths (N, 2), each rounded up to a multiple of an interval's width."""
        return -(-self.sizes[indices] // self.buckets.width) * self.buckets.width

    def batch_by_size(self, indices, max_tokens=None, max_sentences=None, required_batch_size_multiple=1):
        """Lists of at least two indices each. A batch ends where its bucket does, once it is half full."""
        if len(indices) < 2:
            raise UserError(f"--norm sub_batch needs at least two training sentences, got {len(indices)}")
        indices = np.asarray(indices)
        source, target = (torch.from_numpy(lengths).long() for lengths in self.sizes[indices].T)
        device = self.buckets.pairs.device
        self.buckets.count(source.to(device), target.to(device))
        self.statistics[indices] = self.buckets.statistics(target.to(device)).cpu().numpy()
        self.batches = []
        for bucket_list in self._buckets(indices):
            waiting = bucket_list[0][:0]
            of_these_statistics: list[np.ndarray] = []
            for bucket in bucket_list:
                waiting = np.concatenate([waiting, bucket])
                rows = self._rows(waiting, max_tokens, max_sentences, required_batch_size_multiple)
                if len(waiting) >= max(2, rows / 2):
                    of_these_statistics += _even_parts(waiting, rows)
                    waiting = waiting[:0]
            if len(waiting) and of_these_statistics:
                waiting = np.concatenate([of_these_statistics.pop(), waiting])
            if len(waiting):
                rows = self._rows(waiting, max_tokens, max_sentences, required_batch_size_multiple)
                of_these_statistics += _even_parts(waiting, rows)
            self.batches += of_these_statistics
        return self.batches

    def _buckets(self, indices: np.ndarray) -> list[list[np.ndarray]]:
        """For each set of statistics its buckets, in the order of their padded target and source lengths."""
        source, target = self.padded_sizes(indices).T
        of_statistics = self.statistics[indices]
        order = np.lexsort((source, target, of_statistics))  # stable: random within a bucket
        keys = np.stack([of_statistics, target, source])[:, order]
        new_bucket = np.flatnonzero((np.diff(keys) != 0).any(axis=0)) + 1
        grouped: dict[int, list[np.ndarray]] = {}
        for bucket in np.split(indices[order], new_bucket):
            grouped.setdefault(int(self.statistics[bucket[0]]), []).append(bucket)
        return list(grouped.values())

    def _rows(self, bucket: np.ndarray, max_tokens: int | None, max_sentences: int | None, multiple: int) -> int:
        """How many sentences of a bucket fit into a batch, both parts together."""
        longest = int(self.padded_sizes(bucket).max())
        if max_sentences and max_sentences < 2:
            raise UserError(f"--batch-size {max_sentences}: --norm sub_batch splits a batch in two, so give 2 or more")
        if max_tokens and max_tokens < 2 * longest:
            raise UserError(
                f"--max-tokens {max_tokens}: --norm sub_batch needs two sentences in a batch, and here they are padded "
                f"to {longest} symbols; give {2 * longest} or more, or lower --max-source-positions and "
                "--max-target-positions"
            )
        limits = [max_sentences or None, max_tokens // longest if max_tokens else None]
        rows = min((limit for limit in limits if limit), default=len(bucket))
        return rows - rows % multiple if rows > multiple else rows

    def collater(self, samples):
        """A batch whose `net_input` holds all sentences, the auxiliary ones last; all else counts the main ones."""
        if not samples:
            return {}
        num_auxiliary = auxiliary_rows(len(samples), self.share)
        first = (self.epoch - 1) * num_auxiliary % len(samples)
        turned = samples[first:] + samples[:first]
        pad_to = self._pad_to(samples)
        batch = self.dataset.collater(turned[num_auxiliary:], pad_to_length=pad_to)
        auxiliary = self.dataset.collater(turned[:num_auxiliary], pad_to_length=pad_to)
        batch["net_input"] = {
            key: torch.cat([rows, auxiliary["net_input"][key]]) for key, rows in batch["net_input"].items()
        }
        batch["net_input"]["num_auxiliary"] = num_auxiliary
        batch["net_input"]["statistics"] = int(self.statistics[samples[0]["id"]])
        return batch

    def _pad_to(self, samples) -> dict[str, int]:
        width = self.buckets.width
        return {
            side: -(-max(len(sample[side]) for sample in samples) // width) * width for side in ("source", "target")
        }

    def batches_for_statistics(self, at_most: int) -> Iterator[dict]:
        """The model's arguments for at most so many batches of each set of statistics, the same ones every time."""
        for statistics in np.unique([self.statistics[batch[0]] for batch in self.batches]):
            batches = [batch for batch in self.batches if self.statistics[batch[0]] == statistics]
            for number in np.unique(np.linspace(0, len(batches) - 1, min(at_most, len(batches))).round().astype(int)):
                samples = [self.dataset[index] for index in batches[number]]
                net_input = self.dataset.collater(samples, pad_to_length=self._pad_to(samples))["net_input"]
                yield {**net_input, "statistics": int(statistics)}


def _even_parts(bucket: np.ndarray, rows: int) -> list[np.ndarray]:
    """Batches of at most so many rows, none much smaller than the others: a remainder would make poor statistics."""
    parts = min(-(-len(bucket) // rows), len(bucket) // 2)  # with two rows, an odd one out makes it three
    return np.array_split(bucket, max(1, parts))
