"""How an engine searches, and what it finds; needs neither torch nor fairseq."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from fairseq_bbpe.errors import UserError

Pieces = list[str]

SHORTEST = 2  # a source of one piece, and its end, which fairseq counts where it multiplies by --max-len-a


@dataclass(frozen=True)
class SearchOptions:
    """The options of fairseq-generate of the same names; lengths are in pieces, `</s>` not counted.

    A translation may have `max_len_a` times its source's pieces, and `max_len_b` more.

    Raises:
        UserError: more hypotheses are asked for than the beam finds; the shortest line may have no piece.
    """

    beam: int = 5
    nbest: int = 1
    lenpen: float = 1.0
    max_len_a: float = 2.0
    max_len_b: int = 200
    valid_utf8: str = "on"

    def __post_init__(self) -> None:
        if self.nbest > self.beam:
            raise UserError(f"--nbest {self.nbest}: a beam of {self.beam} finds no more: raise --beam")
        if self.max_len_a * SHORTEST + self.max_len_b < 1:
            raise UserError(
                f"--max-len-a {self.max_len_a:g} --max-len-b {self.max_len_b}: no translation of a line of one piece "
                "may have a piece: raise one of them"
            )


@dataclass(frozen=True)
class Found:
    """One hypothesis: its pieces, and its score, the mean log2-probability of a piece with fairseq's `--lenpen 1`."""

    pieces: Pieces
    score: float


class Engine(Protocol):
    """Translates batches of sentences, given and found as pieces."""

    longest_source: int
    """Pieces that a source may have, `</s>` not counted."""

    @property
    def dictionaries(self) -> tuple[set[str], set[str]]:
        """The pieces that the source's and the target's dictionary hold."""

    def search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        """For every batch, as soon as it is done, and every sentence of it: its `nbest` hypotheses, best first."""
