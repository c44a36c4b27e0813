"""Temperature sampling of languages in training: every epoch draws as many sentences as the corpus has, but in other
proportions (Arivazhagan et al., 2019, "Massively Multilingual Neural Machine Translation in the Wild").

fairseq's ResamplingDataset renumbers what it draws, and so does not sort or filter pairs by their lengths. Here the
drawn sentences keep their numbers, and only the epoch's order of them repeats some and leaves others out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from fairseq.data import BaseWrapperDataset, LanguagePairDataset


class LanguageSampling(BaseWrapperDataset):
    """Parallel text in which languages have other shares; what is drawn depends on (seed, epoch) alone.

    Systematic sampling: of every language so many sentences as its share demands, to within one, and each of its
    sentences equally often, to within one. Where every average is 1, an epoch has every sentence once.

    Args:
        pairs: as fairseq loaded them, N pairs.
        languages: (N,) the language of each.
        copies: of each language, how often a sentence of it is drawn in an epoch on average; N in sum over `pairs`.
        seed: of the draws.
    """

    # A new epoch needs new batches.
    can_reuse_epoch_itr_across_epochs = False

    def __init__(self, pairs: LanguagePairDataset, languages: Sequence[str], copies: Mapping[str, float], seed: int):
        super().__init__(pairs)
        names, self._language = np.unique(np.asarray(languages), return_inverse=True)
        self._copies = np.array([copies[name] for name in names.tolist()])
        self.seed, self.epoch = seed, 1

    def set_epoch(self, epoch: int) -> None:
        """Draw the sentences of this epoch from now on."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def ordered_indices(self) -> np.ndarray:
        """(N,) the sentences of this epoch, by source and then by target length as fairseq orders them."""
        random = np.random.default_rng([self.seed, self.epoch])
        sentences = random.permutation(len(self))
        sentences = sentences[np.argsort(self._language[sentences], kind="stable")]
        ends = np.cumsum(self._copies[self._language[sentences]])
        # A sentence has a stretch as long as its copies, and is drawn at each of the points 1 apart that fall into it.
        points = (np.arange(len(self)) + random.random()) * (ends[-1] / len(self))
        drawn = random.permutation(sentences[np.searchsorted(ends, points, side="right")])
        pairs = self.dataset
        lengths = pairs.sizes[drawn].T[::-1] if pairs.buckets is None else [pairs.bucketed_num_tokens[drawn]]
        return drawn[np.lexsort(lengths)]  # stable: those of equal lengths in random order
