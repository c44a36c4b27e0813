"""Beam search over target-length intervals (Section 6): each hypothesis under the statistics of its own interval."""

from __future__ import annotations

import math

import torch
from fairseq.search import BeamSearch
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from fairseq_bbpe.errors import UserError


class IntervalBeamSearch(BeamSearch):
    """fairseq's beam search, with a shortest and a longest length for every sentence of the batch."""

    def __init__(self, tgt_dict) -> None:
        super().__init__(tgt_dict)
        self.shortest = self.longest = torch.empty(0, dtype=torch.long)

    def set_bounds(self, shortest: Tensor, longest: Tensor) -> None:
        """Lengths (B,), end of sentence included, between which the coming search must end."""
        self.shortest, self.longest = shortest, longest

    def step(self, step, lprobs, scores, prev_output_tokens=None, original_batch_idxs=None):
        length = step + 1
        end = torch.arange(lprobs.size(-1), device=lprobs.device) == self.eos
        too_short = (length < self.shortest)[:, None, None] & end
        too_long = (length >= self.longest)[:, None, None] & ~end
        lprobs = lprobs.masked_fill(too_short | too_long, -math.inf)
        return super().step(step, lprobs, scores, prev_output_tokens, original_batch_idxs)

    def prune_sentences(self, batch_idxs: Tensor) -> None:
        """Forget the sentences that are finished."""
        self.shortest, self.longest = self.shortest[batch_idxs], self.longest[batch_idxs]


class IntervalSearch(SequenceGenerator):
    """Translate each sentence once for every target interval that training saw with its source's, and keep the best.

    Hypotheses are ranked by mean log-likelihood a symbol (with fairseq's default `--lenpen 1`), across intervals.
    """

    def __init__(self, models, tgt_dict, **options) -> None:
        super().__init__(models, tgt_dict, **{**options, "search_strategy": IntervalBeamSearch(tgt_dict)})
        shapes = {(model.buckets.width, model.buckets.intervals) for model in models}
        if len(shapes) > 1:
            raise UserError(
                f"--path: models with different (--bucket-width, intervals) {sorted(shapes)} cannot search together"
            )

    @torch.no_grad()
    def generate(self, models, sample, prefix_tokens=None, **options):
        """As fairseq's: for each sentence a list of hypotheses, best first, at most `--beam` of them."""
        net_input = sample["net_input"]
        lengths = net_input["src_tokens"].ne(self.pad).sum(dim=1)
        limits = (self.max_len_a * lengths + self.max_len_b).floor().long() + 1  # fairseq's does not count the end
        rows, intervals = self._candidates(lengths, limits)

        buckets = self.model.single_model.buckets
        shortest = intervals * buckets.width + 1
        longest = torch.minimum((intervals + 1) * buckets.width, limits[rows])
        # The last interval also holds whatever is longer than every bucket.
        longest = torch.where(intervals == buckets.intervals - 1, limits[rows], longest)
        self.search.set_bounds(torch.minimum(shortest, longest), longest)

        expanded = {"src_tokens": net_input["src_tokens"][rows], "target_interval": intervals}
        if prefix_tokens is not None:
            prefix_tokens = prefix_tokens[rows]
        found = self._generate({"net_input": expanded}, prefix_tokens=prefix_tokens, **options)

        best = [[] for _ in range(len(lengths))]
        for row, hypotheses in zip(rows.tolist(), found, strict=True):
            best[row] += hypotheses
        return [sorted(each, key=lambda hypothesis: -hypothesis["score"])[: self.beam_size] for each in best]

    def _candidates(self, lengths: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
        """For each candidate its sentence and its target interval; no interval lies wholly beyond `--max-len-a/b`."""
        buckets = self.model.single_model.buckets
        rows, intervals = [], []
        for row, (source, limit) in enumerate(zip(buckets.interval(lengths).tolist(), limits.tolist(), strict=True)):
            candidates = buckets.candidates(source)
            reachable = [interval for interval in candidates if buckets.bounds(interval)[0] <= limit]
            chosen = reachable or candidates[:1]
            rows += [row] * len(chosen)
            intervals += chosen
        return lengths.new_tensor(rows), lengths.new_tensor(intervals)
