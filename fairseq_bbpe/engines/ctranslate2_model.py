"""Translation by a folder that `fairseq-bbpe export ctranslate2` made; needs neither torch nor fairseq.

CTranslate2's search knows no rule of valid UTF-8: what is not valid is recovered from (Eq. 1), as in decoding.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairseq_bbpe.engines.search_options import Found, Pieces, SearchOptions
from fairseq_bbpe.errors import UserError

BLANK, END, FACTORS = "<blank>", "</s>", "\uffe8"


class CTranslate2Model:
    """The exported model in `folder`.

    Raises:
        UserError: CTranslate2 is not installed.
    """

    def __init__(self, folder: Path, device: str = "cpu", threads: int = 0) -> None:
        try:
            import ctranslate2
        except ImportError:
            raise UserError(
                f"{folder}: needs ctranslate2, which is not installed: pip install 'fairseq-bbpe[export]'"
            ) from None
        description = json.loads((folder / "translator.json").read_text(encoding="utf-8"))
        self.longest_source: int = description["longest_source"]
        self._kernel: int = description["context_kernel"]
        kind, _, index = device.partition(":")
        self._translator = ctranslate2.Translator(
            str(folder), kind, device_index=int(index or 0), intra_threads=threads
        )

    def search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        """As `Engine.search_all`; the longest source of a batch limits all of its translations."""
        for batch in batches:
            longest = max(map(len, batch)) + 1
            results = self._translator.translate_batch(
                [with_neighbours([*pieces, END], self._kernel) for pieces in batch],
                beam_size=options.beam,
                num_hypotheses=options.nbest,
                length_penalty=options.lenpen,
                max_decoding_length=int(options.max_len_a * longest + options.max_len_b),
                max_input_length=0,
                return_scores=True,
            )
            yield [
                [
                    Found(pieces, score / math.log(2))
                    for pieces, score in zip(result.hypotheses, result.scores, strict=True)
                ]
                for result in results
            ]


def with_neighbours(pieces: Pieces, kernel: int) -> Pieces:
    """Every piece with its neighbours in a window of `kernel`, itself first, as CTranslate2 writes source factors.

    >>> with_neighbours(["a", "b", "c"], 3)
    ['a￨<blank>￨b', 'b￨a￨c', 'c￨b￨<blank>']
    """
    half = kernel // 2
    padded = [BLANK] * half + pieces + [BLANK] * half
    windows = (padded[first : first + kernel] for first in range(len(pieces)))
    return [FACTORS.join([window[half], *window[:half], *window[half + 1 :]]) for window in windows]
