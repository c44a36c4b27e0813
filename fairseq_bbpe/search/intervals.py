"""Beam search over target-length intervals (Section 6): each hypothesis under the statistics of its own interval."""

from __future__ import annotations

import torch
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.beam_search import BeamSearchGenerator
from fairseq_bbpe.search.length_bounds import LengthBoundedGenerator


class IntervalSearch(LengthBoundedGenerator):
    """Translate each sentence once for every target interval that is common for sources as long, and keep the best.

    "We circumvent this issue by simply searching over possible target intervals as a first step during decoding with a
    beam search; each hypothesis uses Sub-BN statistics that are specific to a target length interval." Hypotheses are
    ranked by mean log-likelihood a symbol (with fairseq's default `--lenpen 1`), across intervals.

    Args:
        smallest_interval_share: an interval with a smaller share of the training pairs whose source is as long is not
            searched.

    Raises:
        UserError: models whose statistics belong to other intervals.
    """

    def __init__(self, models, tgt_dict, smallest_interval_share: float = 0.005, **options) -> None:
        super().__init__(models, tgt_dict, **options)
        self.smallest_interval_share = smallest_interval_share
        if len({_intervals(model.buckets) for model in models}) > 1:
            raise UserError(
                "--path: models that keep Sub-BN's statistics for different intervals cannot search together; they "
                "were trained with another --bucket-width or --bucket-longest, or on sentences of other lengths"
            )

    @torch.no_grad()
    def generate(self, models, sample, prefix_tokens=None, **options):
        """As fairseq's: for each sentence a list of hypotheses, best first, at most `--beam` of them.

        The candidates of a batch run in batches of as many rows, so they need no more memory than it was made for.
        """
        net_input = sample["net_input"]
        source = net_input["src_tokens"]
        candidates = self._candidates(source, *self.possible_lengths(net_input, prefix_tokens))
        candidates.sort(key=lambda candidate: candidate[2:])  # those of like lengths together
        best: list[list[dict]] = [[] for _ in source]
        for first in range(0, len(candidates), len(source)):
            rows, statistics, shortest, longest = source.new_tensor(candidates[first : first + len(source)]).T
            expanded = {"src_tokens": source[rows], "src_lengths": source[rows].ne(self.pad).sum(dim=1)}
            of_these = {"net_input": {**expanded, "statistics": statistics}}
            if torch.is_tensor(sample.get("id")):
                of_these["id"] = sample["id"][rows]
            self.search.set_bounds(shortest, longest)
            prefix = None if prefix_tokens is None else prefix_tokens[rows]
            found = BeamSearchGenerator._generate(self, of_these, prefix_tokens=prefix, **options)
            for row, hypotheses in zip(rows.tolist(), found, strict=True):
                best[row] += hypotheses
        return [sorted(each, key=lambda hypothesis: -float(hypothesis["score"]))[: self.beam_size] for each in best]

    def _candidates(self, source: Tensor, shortest: Tensor, longest: Tensor) -> list[tuple[int, int, int, int]]:
        """Row, statistics, shortest and longest length of each candidate; at least one for each sentence (B, S)."""
        buckets = self.model.single_model.buckets
        lengths = source.ne(self.pad).sum(dim=1)
        common: dict[int, list[tuple]] = {}  # of each source interval
        candidates = []
        for row, (length, low, high) in enumerate(zip(*map(Tensor.tolist, (lengths, shortest, longest)), strict=True)):
            interval = (length - 1) // buckets.width
            if interval not in common:
                numbers = buckets.candidates(length, self.smallest_interval_share)
                common[interval] = [(number, *buckets.bounds(number)) for number in numbers]
            bounds = {
                number: (max(low, first), high if last is None else min(high, last))
                for number, first, last in common[interval]
            }
            possible = {key: (first, last) for key, (first, last) in bounds.items() if first <= last}
            if not possible:  # the flags or the prefix want what training never saw: the nearest statistics serve
                nearest = min(bounds, key=lambda key: bounds[key][0] - bounds[key][1])
                possible = {nearest: (low, high)}
            candidates += [(row, statistics, *ends) for statistics, ends in possible.items()]
        return candidates


def _intervals(buckets) -> tuple:
    """What two models must agree on for a hypothesis to lie in the same interval of both."""
    ends = torch.arange(1, buckets.intervals + 1, device=buckets.pairs.device) * buckets.width
    return buckets.width, *buckets.statistics(ends).tolist()
