"""BPE-dropout (Provilkov, Emelianenko and Voita, 2020): training text is segmented anew in every epoch.

A merge that the vocabulary would make is left out with probability p, so the model sees many segmentations of the same
bytes. The pieces of a data-bin spell their bytes, so no raw text is needed, and no segmentation loses any.
"""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, LanguagePairDataset
from torch import Tensor

from fairseq_bbpe.errors import UserError

Resegment = Callable[[list[str], float, int], list[str]]
"""(pieces, probability of leaving a merge out, seed) -> other pieces of the same bytes."""

# Segmentations drawn before the undropped one is taken, each with half the dropout of the one before.
DRAWS = 3
# What a LanguagePairDataset was told when it was made.
KEPT = (
    *("left_pad_source", "left_pad_target", "shuffle", "input_feeding", "remove_eos_from_source"),
    *("append_eos_to_target", "constraints", "append_bos", "eos", "src_lang_id", "tgt_lang_id", "pad_to_multiple"),
)
# Sentences by which the lengthening of the text is estimated, at most.
ESTIMATED_ON = 1000


class ResegmentedSide(BaseWrapperDataset):
    """One side of parallel text, each sentence segmented by its (seed, epoch, index), in whatever worker.

    Batches are built before anything is segmented, so every sentence has a room, in tokens: its expected length and
    two standard deviations, both estimated on some sentences. What would outgrow its room is drawn again with half the
    dropout, so that no batch ever exceeds `--max-tokens`.

    Args:
        dataset: token ids of each sentence (T,), with or without end-of-sentence.
        sizes: (N,) lengths in tokens.
        longest: no room is larger than this, in tokens, unless the sentence itself is.
        seed: different for each side.
    """

    def __init__(self, dataset, sizes, dictionary, resegment: Resegment, dropout: float, seed: int, longest: int):
        super().__init__(dataset)
        self.dictionary, self.resegment = dictionary, resegment
        self.dropout, self.seed, self.epoch = dropout, seed, 1
        sizes = np.asarray(sizes)
        stretch, dispersion = self._estimate(len(sizes))
        room = np.ceil(stretch * sizes + 2 * np.sqrt(dispersion * sizes)).astype(sizes.dtype)
        self._room = np.maximum(np.minimum(room, longest), sizes)

    @property
    def sizes(self) -> np.ndarray:
        """(N,) the room of each sentence, in tokens."""
        return self._room

    def set_epoch(self, epoch: int) -> None:
        """Draw the segmentations of this epoch from now on."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def __getitem__(self, index: int) -> Tensor:
        """The ids (T',) of a segmentation of the sentence, T' <= `sizes[index]`."""
        tokens = self.dataset[index]
        pieces, end = self._pieces_of(tokens)
        dropout = self.dropout
        for draw in range(DRAWS):
            drawn = self.resegment(pieces, dropout, self._seed_of(index, draw))
            if len(drawn) + len(end) <= self._room[index]:
                return torch.cat([torch.tensor(list(map(self.dictionary.index, drawn)), dtype=tokens.dtype), end])
            dropout /= 2
        return tokens

    def _pieces_of(self, tokens: Tensor) -> tuple[list[str], Tensor]:
        """The pieces, and the end-of-sentence token (0,) or (1,)."""
        last = len(tokens) - int(len(tokens) > 0 and tokens[-1] == self.dictionary.eos())
        return [self.dictionary[token] for token in tokens[:last].tolist()], tokens[last:]

    def _seed_of(self, index: int, draw: int) -> int:
        return zlib.crc32(struct.pack("<4q", self.seed, self.epoch, index, draw))

    def _estimate(self, sentences: int) -> tuple[float, float]:
        """How many times as long a sentence becomes on average, and the variance of its length per token."""
        lengths = np.array(
            [
                (len(pieces), len(self.resegment(pieces, self.dropout, self._seed_of(index, draw=-1))))
                for index in np.linspace(0, sentences - 1, min(sentences, ESTIMATED_ON), dtype=int).tolist()
                if (pieces := self._pieces_of(self.dataset[index])[0])
            ]
        )
        if not lengths.size:
            return 1.0, 0.0
        before, after = lengths.T
        stretch = after.sum() / before.sum()
        return stretch, ((after - stretch * before) ** 2 / before).mean()


class ResegmentedPairs(LanguagePairDataset):
    """Parallel text of which one side or both are segmented anew; a new epoch needs new batches and workers.

    Args:
        pairs: as fairseq loaded them.
        resegment: draws a segmentation.
        dropout: probability p of leaving a merge out, between 0 and 1.
        sides: ``both``, ``source`` or ``target``.
        longest: the most tokens that a model reads and a batch may hold, of source and target.

    Raises:
        UserError: options of fairseq that rest on fixed lengths.
    """

    can_reuse_epoch_itr_across_epochs = False

    def __init__(
        self,
        pairs: LanguagePairDataset,
        resegment: Resegment,
        dropout: float,
        *,
        sides: str,
        seed: int,
        longest: tuple[int, int],
    ):
        if pairs.buckets is not None or pairs.align_dataset is not None:
            raise UserError("--bbpe-dropout: not with --num-batch-buckets or --load-alignments: leave one of them out")
        source, source_sizes = pairs.src, pairs.src_sizes
        target, target_sizes = pairs.tgt, pairs.tgt_sizes
        if sides != "target":
            source = ResegmentedSide(source, source_sizes, pairs.src_dict, resegment, dropout, 2 * seed, longest[0])
            source_sizes = source.sizes
        if sides != "source":
            target = ResegmentedSide(target, target_sizes, pairs.tgt_dict, resegment, dropout, 2 * seed + 1, longest[1])
            target_sizes = target.sizes
        options = {name: getattr(pairs, name) for name in KEPT}
        super().__init__(source, source_sizes, pairs.src_dict, target, target_sizes, pairs.tgt_dict, **options)

    def set_epoch(self, epoch: int) -> None:
        """Draw the segmentations of this epoch from now on."""
        super().set_epoch(epoch)
        for side in (self.src, self.tgt):
            if isinstance(side, ResegmentedSide):
                side.set_epoch(epoch)
