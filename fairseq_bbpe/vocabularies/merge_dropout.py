"""BPE-dropout (Provilkov, Emelianenko and Voita, 2020, Algorithm 1): segmentation with merges left out at random.

sentencepiece samples too, but from a generator that no seed makes the same in two processes; and a pair that it left
out comes back only when a neighbour changes, so its text grows longer than the paper's at the same probability.
"""

from collections.abc import Mapping
from itertools import pairwise
from random import Random

from fairseq_bbpe.text.alphabet import SPACE


def segment_with_dropout(symbols: str, ranks: Mapping[str, int], dropout: float, random: Random) -> list[str]:
    """Segment the symbols of a line; `ranks` gives every piece that a merge can make its rank, the first merged first.

    >>> segment_with_dropout("aab▁ab", {"ab": 0, "aab": 1}, 0.0, Random(1))
    ['aab', '▁', 'ab']
    >>> segment_with_dropout("aab▁ab", {"ab": 0, "aab": 1}, 0.5, Random(1))
    ['a', 'a', 'b', '▁', 'ab']
    """
    # No piece has a space but at its start, so words merge alone as in their line.
    words = symbols.replace(SPACE, " " + SPACE).split()
    return [piece for word in words for piece in _merge(list(word), ranks, dropout, random.random)]


def _merge(pieces: list[str], ranks: Mapping[str, int], dropout: float, draw) -> list[str]:
    """Join neighbours, in each step the first merge of those that are not left out in it, until none is left."""
    possible = [ranks.get(left + right) for left, right in pairwise(pieces)]
    while True:
        best = at = None
        for place, rank in enumerate(possible):
            if rank is not None and draw() >= dropout and (best is None or rank < best):
                best, at = rank, place
        if at is None:
            return pieces
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        del possible[at]
        if at < len(possible):
            possible[at] = ranks.get(pieces[at] + pieces[at + 1])
        if at:
            possible[at - 1] = ranks.get(pieces[at - 1] + pieces[at])
