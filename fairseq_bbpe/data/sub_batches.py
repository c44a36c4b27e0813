"""Training batches for Sub-Batch Normalisation: of one bucket each, with an auxiliary part (Sections 3.5, 6)."""

from __future__ import annotations

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, LanguagePairDataset

from fairseq_bbpe.errors import UserError


class SubBatchDataset(BaseWrapperDataset):
    """Batches a parallel corpus by the pair of padded lengths, and splits each batch into main and auxiliary part.

    The parts turn with the epochs: in every batch the auxiliary sentences of one epoch are followed by the next ones,
    so that over the epochs the loss counts every sentence. A sentence alone in its bucket joins the nearest bucket.

    Args:
        dataset: the corpus.
        width: sentences are padded to the next multiple of it, in symbols.
        share: of the auxiliary sentences in a batch; at least one sentence is auxiliary and one is not.

    Raises:
        UserError: `share` not between 0 and 1; a batch size that leaves fewer than two sentences in a batch.
    """

    def __init__(self, dataset: LanguagePairDataset, width: int, share: float = 0.5) -> None:
        super().__init__(dataset)
        if not 0 < share < 1:
            raise UserError(f"--auxiliary-share must lie between 0 and 1, got {share}: half is 0.5")
        self.width = width
        self.share = share
        self.epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Whose turn it is to be auxiliary."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def ordered_indices(self) -> np.ndarray:
        """In random order: buckets take care of the lengths, and no part of a batch should be the shorter one."""
        return np.random.permutation(len(self)) if self.dataset.shuffle else np.arange(len(self))

    def padded_sizes(self, indices: np.ndarray) -> np.ndarray:
        """Source and target lengths (N, 2), each rounded up to a multiple of `width`."""
        return -(-self.sizes[indices] // self.width) * self.width

    def batch_by_size(self, indices, max_tokens=None, max_sentences=None, required_batch_size_multiple=1):
        """Lists of indices, each of one bucket and of at least two sentences."""
        if len(indices) < 2:
            raise UserError(f"--norm sub_batch needs at least two training sentences, got {len(indices)}")
        batches = []
        for bucket in self._buckets(np.asarray(indices)):
            rows = self._rows(bucket, max_tokens, max_sentences)
            if rows > required_batch_size_multiple:
                rows -= rows % required_batch_size_multiple
            # Even parts: a small remainder would make poor statistics. With two rows, an odd one out makes it three.
            parts = min(-(-len(bucket) // rows), len(bucket) // 2)
            batches += np.array_split(bucket, parts)
        return batches

    def _buckets(self, indices: np.ndarray) -> list[np.ndarray]:
        sizes, bucket = np.unique(self.padded_sizes(indices), axis=0, return_inverse=True)
        bucket = bucket.reshape(-1)
        counts = np.bincount(bucket)
        alone = counts == 1
        if alone.all():
            return [indices]
        for lonely in np.flatnonzero(alone):
            distance = np.abs(sizes - sizes[lonely]).sum(axis=1)
            distance[alone] = np.iinfo(distance.dtype).max
            bucket[bucket == lonely] = distance.argmin()
        order = bucket.argsort(kind="stable")
        return np.split(indices[order], np.flatnonzero(np.diff(bucket[order])) + 1)

    def _rows(self, bucket: np.ndarray, max_tokens: int | None, max_sentences: int | None) -> int:
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
        return min((limit for limit in limits if limit), default=len(bucket))

    def collater(self, samples):
        """A batch whose `net_input` holds all sentences, the `auxiliary` ones last; all else counts the main ones."""
        auxiliary = min(max(1, round(self.share * len(samples))), len(samples) - 1)
        first = (self.epoch - 1) * auxiliary % len(samples)
        turned = samples[first:] + samples[:first]
        width = self.width
        pad_to = {
            side: -(-max(len(sample[side]) for sample in samples) // width) * width for side in ("source", "target")
        }
        batch = self.dataset.collater(turned[auxiliary:], pad_to_length=pad_to)
        statistics = self.dataset.collater(turned[:auxiliary], pad_to_length=pad_to)
        batch["net_input"] = {
            key: torch.cat([rows, statistics["net_input"][key]]) for key, rows in batch["net_input"].items()
        }
        batch["net_input"]["auxiliary"] = auxiliary
        return batch
