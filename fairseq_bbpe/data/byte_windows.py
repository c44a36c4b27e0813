"""Windows over a file of bytes: context first, then the bytes that count (Section 5 of the ByteNet paper).

A window of c + s bytes gives c + s - 1 predictions; the loss, and every figure that is logged, counts the last s alone.
"""

from __future__ import annotations

import numpy as np
import torch
from fairseq.data import FairseqDataset

from fairseq_bbpe.data.byte_file import ByteFile
from fairseq_bbpe.errors import UserError

LONGEST_EPOCH = 1 << 20  # windows; they are drawn at random, so an epoch is only a name for a number of them


def check_windows(context: int, scored: int, prefix: str = "") -> None:
    """Raise `UserError` where windows of these lengths cannot train or score anything."""
    if context < 1:
        raise UserError(
            f"--{prefix}context-bytes {context}: even the first byte that counts is predicted from at least one byte; "
            "the paper's is 315"
        )
    if scored < 1:
        raise UserError(
            f"--{prefix}scored-bytes {scored}: at least one byte of a window must count; the paper's is 200"
        )


class TrainingWindows(FairseqDataset):
    """Windows at random places of the file; which ones depends on the seed, the epoch and the index alone.

    Training that resumes in the middle of an epoch, or splits over processes, sees exactly the same windows. An epoch
    has as many windows as score each byte once on average, but no more than `LONGEST_EPOCH`.

    Args:
        file: the training text.
        context: c, bytes of a window that are only read.
        scored: s, bytes of a window that count.
        pad: id that stands in the target where nothing counts.
        seed: of the draw.
        auxiliary_share: of the windows of a batch, the last ones, that only give Sub-BN its statistics (Section 3.5).
        crop: True for a model that takes `skip` and leaves out the predictions that do not count.
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
        self.sizes = np.full(min(max(1, len(file) // scored), LONGEST_EPOCH), context + scored - 1)

    def set_epoch(self, epoch: int) -> None:
        """Draw the windows of this epoch from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sizes)

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
        auxiliary = 0
        if self.auxiliary_share:
            if len(samples) == 1:  # what is left at the end of an epoch: one more window lends its statistics
                samples = samples + [self[len(self) + samples[0]["id"]]]
            auxiliary = min(max(1, round(self.auxiliary_share * len(samples))), len(samples) - 1)
        main = samples[: len(samples) - auxiliary]
        ids = torch.from_numpy(np.stack([sample["ids"] for sample in samples]))
        skip = self.context - 1
        target = ids[: len(main), 1:].clone()
        net_input = {"src_tokens": ids[:, :-1].contiguous(), "src_lengths": torch.full((len(ids),), ids.size(1) - 1)}
        if self.crop:
            target = target[:, skip:].contiguous()
            net_input |= {"skip": skip, "auxiliary": auxiliary}
        else:
            target[:, :skip] = self.pad
        return {
            "id": torch.tensor([sample["id"] for sample in main]),
            "nsentences": len(main),
            "ntokens": len(main) * self.scored,
            "net_input": net_input,
            "target": target,
        }

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
        """As they come; they are random already."""
        return np.arange(len(self))


class EvaluationWindows(FairseqDataset):
    """Windows that slide over the file so that every byte after the first counts exactly once.

    Window k scores the bytes from offset 1 + k * scored, and reads up to `context` bytes before them, at least one.

    Args:
        file: the text to score.
        context: bytes read before the first scored one, where the file has that many.
        scored: bytes scored in a window.
        pad: id that stands in the target where nothing counts, and past the end of short windows.
    """

    def __init__(self, file: ByteFile, context: int, scored: int, pad: int) -> None:
        self.file = file
        self.context = context
        self.scored = scored
        self.pad = pad
        self.begins = np.arange(1, len(file), scored)
        ends = np.minimum(self.begins + scored, len(file))
        self.sizes = ends - np.maximum(self.begins - context, 0) - 1

    def __len__(self) -> int:
        return len(self.begins)

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
        lengths = [len(sample["ids"]) - 1 for sample in samples]
        source = torch.full((len(samples), max(lengths)), self.pad)
        target = source.clone()
        for row, (sample, length) in enumerate(zip(samples, lengths, strict=True)):
            ids = torch.from_numpy(sample["ids"])
            source[row, :length] = ids[:-1]
            target[row, sample["skip"] : length] = ids[1 + sample["skip"] :]
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": int(target.ne(self.pad).sum()),
            "net_input": {"src_tokens": source, "src_lengths": torch.tensor(lengths)},
            "target": target,
            "start_indices": [sample["skip"] for sample in samples],
        }

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
        """In the order of the file."""
        return np.arange(len(self))
