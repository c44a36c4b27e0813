"""Translation by a folder that `fairseq-bbpe export ctranslate2` made; needs neither torch nor fairseq.

CTranslate2's search knows no rule of valid UTF-8: what is not valid is recovered from (Eq. 1), as in decoding.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairseq_bbpe.engines.description import read_description
from fairseq_bbpe.engines.search_options import Found, Pieces, SearchOptions
from fairseq_bbpe.errors import UserError

BLANK, END, FACTORS = "<blank>", "</s>", "\uffe8"  # its names of <pad> and </s>, and what parts source factors
SPECIALS = 4  # <s>, <blank>, </s> and <unk> come first


class CTranslate2Model:
    """The exported model in `folder`.

    Raises:
        UserError: CTranslate2 is not installed, or cannot load the model.
    """

    def __init__(self, folder: Path, device: str = "cpu", threads: int = 0) -> None:
        try:
            import ctranslate2
        except ImportError:
            raise UserError(f"{folder}: needs ctranslate2, which is not installed: pip install ctranslate2") from None
        description = read_description(folder)
        self.longest_source: int = description["longest_source"]
        self._longest_target: int = description["longest_target"]
        self._kernel: int = description["context_kernel"]
        self.dictionaries = _pieces(folder, "source"), _pieces(folder, "target")
        kind, _, index = device.partition(":")
        try:
            self._translator = ctranslate2.Translator(
                str(folder), kind, device_index=int(index or 0), intra_threads=threads
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"--checkpoint {folder}: CTranslate2 cannot load it ({str(error).splitlines()[0]}): make the folder "
                "again with 'fairseq-bbpe export ctranslate2'"
            ) from None

    def search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        """As `Engine.search_all`; the longest source of a batch limits all of its translations."""
        for batch in batches:
            longest = max(map(len, batch)) + 1
            results = self._translator.translate_batch(
                [with_neighbours([*map(self._known, pieces), END], self._kernel) for pieces in batch],
                beam_size=options.beam,
                num_hypotheses=options.nbest,
                length_penalty=options.lenpen,
                max_decoding_length=int(min(options.max_len_a * longest + options.max_len_b, self._longest_target)),
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

    def _known(self, piece: str) -> str:
        return piece if piece in self.dictionaries[0] else unknown(0)


def _pieces(folder: Path, side: str) -> set[str]:
    for path in (folder / f"{name}_vocabulary.json" for name in (side, f"{side}_1", "shared")):
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            return set(json.loads(path.read_text(encoding="utf-8"))[SPECIALS:])
    raise UserError(f"{folder}: its {side} vocabulary is missing or damaged: make it again with 'fairseq-bbpe export'")


def unknown(factor: int) -> str:
    """The name of <unk> in a source factor's vocabulary: CTranslate2 stores vocabularies that are all equal as one.

    It adds its own <unk> to the others, beyond the model's embeddings, so what is unknown must have that name.
    """
    return f"<unk{factor}>" if factor else "<unk>"


def with_neighbours(pieces: Pieces, kernel: int) -> Pieces:
    """Every piece with its neighbours in a window of `kernel`, itself first, as CTranslate2 writes source factors.

    >>> with_neighbours(["a", "b", "c"], 3)
    ['a￨<blank>￨b', 'b￨a￨c', 'c￨b￨<blank>']
    """
    half = kernel // 2
    padded = [BLANK] * half + pieces + [BLANK] * half
    windows = (padded[first : first + kernel] for first in range(len(pieces)))
    factors = ([window[half], *window[:half], *window[half + 1 :]] for window in windows)
    return [FACTORS.join(_own_unknown(number, piece) for number, piece in enumerate(row)) for row in factors]


def _own_unknown(factor: int, piece: str) -> str:
    return unknown(factor) if piece == unknown(0) else piece
