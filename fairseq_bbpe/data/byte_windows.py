"""Windows over a file of bytes: context first, then the scored bytes (Section 5 of the ByteNet paper).

A window of c + s bytes gives c + s - 1 predictions; the loss, and every logged figure, covers the last s alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from fairseq.data import FairseqDataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fairseq_bbpe.data.byte_file import ByteFile
from fairseq_bbpe.data.sub_batches import auxiliary_rows
from fairseq_bbpe.errors import UserError

LONGEST_EPOCH = 1 << 20  # windows; they are drawn at random, so an epoch is only a name for a number of them


def check_windows(context: int, scored: int, prefix: str = "") -> None:
    """Raise `UserError` where windows of these lengths cannot train or score anything."""
    if context < 1:
        raise UserError(
            f"--{prefix}context-bytes {context}: the first scored byte needs at least one byte of context; "
            "the paper's is 315"
        )
    if scored < 1:
        raise UserError(f"--{prefix}scored-bytes {scored}: score at least one byte of a window; the paper's is 200")


def inputs_and_targets(windows: list[np.ndarray], unscored: list[int], pad: int) -> tuple[Tensor, Tensor]:
    """Ids that a model reads and those that it must predict, each (B, T), padded on the right.

    Args:
        windows: the ids of each window, one more than it has predictions.
        unscored: how many leading predictions of each window the loss leaves out; `pad` stands in their targets.
        pad: the id that the loss leaves out.
    """
    inputs, targets = (
        pad_sequence([torch.from_numpy(window[part]) for window in windows], batch_first=True, padding_value=pad)
        for part in (slice(None, -1), slice(1, None))
    )
    in_context = torch.arange(targets.size(1)) < torch.tensor(unscored).unsqueeze(1)
    return inputs, targets.masked_fill(in_context, pad)


class _Windows(FairseqDataset):
    """What windows of a file have in common; `sizes` are their columns."""

    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def num_tokens(self, index: int) -> int:
        """Columns of a window, for `--max-tokens`."""
        return int(self.sizes[index])

    def size(self, index: int) -> int:
        """Columns of a window, for a model's longest input."""
        return int(self.sizes[index])

    def num_tokens_vec(self, indices: np.ndarray) -> np.ndarray:
        """Columns of several windows."""
        return self.sizes[indices]

    def ordered_indices(self) -> np.ndarray:
        """As they come: in the order of the file, or random already."""
        return np.arange(len(self))


class TrainingWindows(_Windows):
    """Windows at random places of the file; which ones depends on the seed, the epoch and the index alone.

    Training that resumes in the middle of an epoch, or splits over processes, sees exactly the same windows. An epoch
    has as many windows as score each byte once on average, but no more than `LONGEST_EPOCH`.

    Args:
        file: the training text.
        context: c, bytes of a window that are only read.
        scored: s, bytes of a window that the loss covers.
        pad: id that stands in the target where nothing is scored.
        seed: of the draw.
        auxiliary_share: of the windows of a batch, the last ones, that only give Sub-BN its statistics (Section 3.5).
        crop: True for a model that takes `skip` and computes no prediction that is not scored.
    """

    # Worker processes hold a copy of the data set, which does not hear of a new epoch: they must start anew with it.
    can_reuse_epoch_itr_across_epochs = False

    def __init__(
        self,
        file: ByteFile,
        context: int,
        scored: int,
        pad: int,
        seed: int = 1,
        auxiliary_share: float = 0.0,
        crop: bool = False,
    ) -> None:
        self.file = file
        self.context = context
        self.scored = scored
        self.pad = pad
        self.seed = seed
        self.auxiliary_share = auxiliary_share
        self.crop = crop
        self.epoch = 1
        self.rows = 1
        self.sizes = np.full(min(max(1, len(file) // scored), LONGEST_EPOCH), context + scored - 1)

    def set_epoch(self, epoch: int) -> None:
        """Draw the windows of this epoch from now on."""
        self.epoch = epoch

    def start(self, index: int) -> int:
        """Offset in the file at which window `index` of the current epoch begins."""
        # A counter-based generator (Philox): window n of epoch e is found without drawing those before it.
        draw = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, index, self.epoch]))
        return int(draw.integers(len(self.file) - self.context - self.scored + 1))

    def __getitem__(self, index: int) -> dict:
        start = self.start(index)
        return {"id": index, "ids": self.file.ids(start, start + self.context + self.scored)}

    def collater(self, samples: list[dict]) -> dict:
        """A fairseq batch; `ntokens` counts scored bytes of main windows."""
        if not samples:
            return {}
        num_auxiliary = 0
        if self.auxiliary_share:
            if len(samples) == 1:  # what is left at the end of an epoch: one more window lends its statistics
                samples = samples + [self[len(self) + samples[0]["id"]]]
            num_auxiliary = auxiliary_rows(len(samples), self.auxiliary_share)
        main = samples[: len(samples) - num_auxiliary]
        skip = self.context - 1
        source, target = inputs_and_targets([sample["ids"] for sample in samples], [skip] * len(samples), self.pad)
        target = target[: len(main)]
        net_input: dict = {"src_tokens": source, "src_lengths": torch.full((len(source),), source.size(1))}
        if self.crop:
            target = target[:, skip:].contiguous()
            net_input |= {"skip": skip, "num_auxiliary": num_auxiliary}
        return {
            "id": torch.tensor([sample["id"] for sample in main]),
            "nsentences": len(main),
            "ntokens": len(main) * self.scored,
            "net_input": net_input,
            "target": target,
        }

    def batch_by_size(self, indices, *limits, **named_limits):
        """As fairseq's."""
        batches = super().batch_by_size(indices, *limits, **named_limits)
        self.rows = max(map(len, batches), default=1)
        return batches

    def batches_for_statistics(self, at_most: int) -> Iterator[dict]:
        """The model's arguments for so many batches of windows that no epoch of training has, the same every time."""
        for first in range(0, at_most * self.rows, self.rows):
            epoch, self.epoch = self.epoch, 0
            samples = [self[index] for index in range(first, first + self.rows)]
            self.epoch = epoch
            yield {**self.collater(samples)["net_input"], "num_auxiliary": 0}


class EvaluationWindows(_Windows):
    """Windows that slide over the file so that every byte after the first is scored exactly once.

    Window k scores the bytes from offset 1 + k * scored, and reads up to `context` bytes before them, at least one.

    Args:
        file: the text to score.
        context: bytes read before the first scored one, where the file has that many.
        scored: bytes scored in a window.
        pad: id that stands in the target where nothing is scored, and past the end of short windows.
    """

    def __init__(self, file: ByteFile, context: int, scored: int, pad: int) -> None:
        self.file = file
        self.context = context
        self.scored = scored
        self.pad = pad
        self.begins = np.arange(1, len(file), scored)
        ends = np.minimum(self.begins + scored, len(file))
        self.sizes = ends - np.maximum(self.begins - context, 0) - 1

    def __getitem__(self, index: int) -> dict:
        begin = int(self.begins[index])
        start = max(0, begin - self.context)
        return {
            "id": index,
            "ids": self.file.ids(start, min(begin + self.scored, len(self.file))),
            "skip": begin - start - 1,
        }

    def collater(self, samples: list[dict]) -> dict:
        """A fairseq batch, padded on the right; `start_indices` tells `fairseq-eval-lm` where scoring starts."""
        if not samples:
            return {}
        skips = [sample["skip"] for sample in samples]
        source, target = inputs_and_targets([sample["ids"] for sample in samples], skips, self.pad)
        lengths = torch.tensor([len(sample["ids"]) - 1 for sample in samples])
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": int(target.ne(self.pad).sum()),
            "net_input": {"src_tokens": source, "src_lengths": lengths},
            "target": target,
            "start_indices": skips,
        }
