"""Which hypotheses a beam search goes on with and which end: fairseq's rules, on lists."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple


class Chosen(NamedTuple):
    """What a step chose for each row of the next: a piece, the sum of log-probabilities with it, and the row before."""

    pieces: list[int]
    scores: list[float]
    parents: list[int]


class Ended(NamedTuple):
    """A hypothesis that has its end of sentence."""

    pieces: list[int]
    scores: list[float]
    """Sums of log-probabilities up to each piece."""
    rows: list[int]
    """Where it stood in each step."""


@dataclass
class _Sentence:
    number: int
    idle: list[bool]
    """Of each row, whether it only fills the beam, since too few candidates went on.

    fairseq holds this against whatever candidate takes the row's place next: it ends nothing, and stands back once.
    """


class Beams:
    """The hypotheses of a batch of sentences, each with a beam of as many rows.

    As in fairseq, a candidate ends its hypothesis if it is among the best `beam` of its sentence, whose search is over
    when `beam` hypotheses have ended.

    Args:
        batch: sentences
        beam: rows of each
        eos: the piece that ends a hypothesis

    >>> beams = Beams(batch=1, beam=1, eos=2)
    >>> beams.advance([[-0.5, -0.75]], [[7, 2]], [[0, 0]])
    [0]
    >>> beams.advance([[-1.0, -2.5]], [[2, 8]], [[0, 0]])
    []
    >>> beams.ended
    [[Ended(pieces=[7, 2], scores=[-0.5, -1.0], rows=[0, 0])]]
    """

    def __init__(self, batch: int, beam: int, eos: int):
        self.beam, self.eos = beam, eos
        self.ended: list[list[Ended]] = [[] for _ in range(batch)]
        self.searched = [_Sentence(number, [False] * beam) for number in range(batch)]
        """The sentences whose search goes on, in the order of their rows."""
        self.history: list[Chosen] = []

    def advance(self, scores: list[list[float]], pieces: list[list[int]], rows: list[list[int]]) -> list[int]:
        """Take a step: end hypotheses, and choose what to go on with.

        Args:
            scores: of each sentence's candidates, best first: sums of log-probabilities
            pieces: what each candidate adds
            rows: to which of its sentence's rows

        Returns:
            which of the sentences searched go on, whose rows are the next step's
        """
        chosen, going_on = Chosen([], [], []), []
        for place, sentence in enumerate(self.searched):
            first_row = place * self.beam
            own_scores, own_pieces, own_rows = scores[place], pieces[place], rows[place]
            if self.eos in own_pieces or True in sentence.idle:
                ends = self._end(sentence, first_row, own_scores, own_pieces, own_rows)
                if len(self.ended[sentence.number]) == self.beam:
                    continue
                order = self._order(sentence, ends)
                own_scores = [own_scores[candidate] for candidate in order]
                own_pieces = [own_pieces[candidate] for candidate in order]
                own_rows = [own_rows[candidate] for candidate in order]
            going_on.append(place)
            chosen.scores.extend(own_scores[: self.beam])
            chosen.pieces.extend(own_pieces[: self.beam])
            chosen.parents.extend([first_row + row for row in own_rows[: self.beam]])
        self.searched = [self.searched[place] for place in going_on]
        self.history.append(chosen)
        return going_on

    def _end(
        self, sentence: _Sentence, first_row: int, scores: list[float], pieces: list[int], rows: list[int]
    ) -> list[bool]:
        """Keep a sentence's hypotheses that end; of each candidate, whether it is the end of one."""
        ends = [piece == self.eos and score > -math.inf for piece, score in zip(pieces, scores, strict=True)]
        ended = self.ended[sentence.number]
        for candidate, (end, idle) in enumerate(zip(ends, sentence.idle, strict=False)):  # the best `beam`
            if end and not idle and len(ended) < self.beam:
                ended.append(self._trace(first_row + rows[candidate], scores[candidate]))
        return ends

    def _order(self, sentence: _Sentence, ends: list[bool]) -> list[int]:
        """The candidates for a sentence's rows, best first; what only fills the beam comes last."""
        behind = [end or idle for end, idle in zip_longest(ends, sentence.idle, fillvalue=False)]
        order = sorted(range(len(ends)), key=behind.__getitem__)[: self.beam]
        sentence.idle = [behind[candidate] for candidate in order]
        return order

    def _trace(self, row: int, score: float) -> Ended:
        """The hypothesis that ends in `row` of this step."""
        backwards = Ended([self.eos], [score], [row])
        for step in reversed(self.history):
            backwards.pieces.append(step.pieces[row])
            backwards.scores.append(step.scores[row])
            row = step.parents[row]
            backwards.rows.append(row)
        return Ended(backwards.pieces[::-1], backwards.scores[::-1], backwards.rows[::-1])
