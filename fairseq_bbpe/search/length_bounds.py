"""Every sentence ends between lengths of its own, whatever sentences it is batched with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.around import SearchAround
from fairseq_bbpe.search.beam_search import BeamSearchGenerator


class LengthBounds(SearchAround):
    """Any of fairseq's searches, with a shortest and a longest length for every sentence of the batch."""

    def set_bounds(self, shortest: Tensor, longest: Tensor) -> None:
        """Lengths (B,), end of sentence included, between which the coming search must end."""
        self.shortest, self.longest = shortest, longest
        # Between these no sentence is bound, and a step need not mask all its scores to find out.
        self.free_from, self.free_until = max(shortest.tolist()), min(longest.tolist())

    def step(self, step, lprobs, scores, prev_output_tokens=None, original_batch_idxs=None):
        length = step + 1
        if not self.free_from <= length < self.free_until:
            lprobs = self._bounded(length, lprobs)
        return self.search.step(step, lprobs, scores, prev_output_tokens, original_batch_idxs)

    def _bounded(self, length: int, lprobs: Tensor) -> Tensor:
        end = torch.arange(lprobs.size(-1), device=lprobs.device) == self.eos
        too_short = (length < self.shortest)[:, None, None] & end
        too_long = (length >= self.longest)[:, None, None] & ~end
        return lprobs.masked_fill(too_short | too_long, -math.inf)

    def prune_sentences(self, batch_idxs: Tensor) -> None:
        """Forget the sentences that are finished."""
        self.shortest, self.longest = self.shortest[batch_idxs], self.longest[batch_idxs]
        super().prune_sentences(batch_idxs)


class LengthBoundedGenerator(BeamSearchGenerator):
    """fairseq's generator, in which `--max-len-a/b` mean each sentence's own source, not its batch's longest."""

    search: LengthBounds

    def __init__(self, models, tgt_dict, **options) -> None:
        super().__init__(models, tgt_dict, **options)
        self.search = LengthBounds(tgt_dict, self.search)

    def _generate(self, sample, prefix_tokens=None, **options):
        self.search.set_bounds(*self.possible_lengths(sample["net_input"], prefix_tokens))
        return super()._generate(sample, prefix_tokens=prefix_tokens, **options)

    def possible_lengths(self, net_input: dict, prefix_tokens: Tensor | None) -> tuple[Tensor, Tensor]:
        """Shortest and longest length (B,) that the flags and the prefixes leave a sentence, its end included.

        A prefix that ends the sentence leaves one length; `--min-len` and a prefix go before `--max-len-a/b`, as long
        as the batch's longest source allows.

        Raises:
            UserError: `--min-len` is more than `--max-len-a/b` allow even the longest source.
        """
        source = net_input["src_tokens"]
        most = int(min(self.max_len_a * source.size(1) + self.max_len_b, self.max_len - 1)) + 1
        if self.min_len >= most:
            raise UserError(
                f"--min-len {self.min_len}: a source of {source.size(1)} symbols allows {most - 1} by --max-len-a "
                f"{self.max_len_a} and --max-len-b {self.max_len_b}; lower the first or raise one of these"
            )
        limit = self.max_len_a * source.ne(self.pad).sum(dim=1).double() + float(self.max_len_b)
        limit = limit.clamp(max=most - 1).long() + 1  # in this order: what is beyond a long wraps around
        shortest = torch.full_like(limit, self.min_len + 1)
        ended = torch.zeros_like(limit, dtype=torch.bool)
        if prefix_tokens is not None:
            given = prefix_tokens.ne(self.pad).sum(dim=1)
            ended = prefix_tokens.eq(self.eos).any(dim=1)
            shortest = torch.where(ended, given, torch.maximum(shortest, given + 1))
        shortest = shortest.clamp(max=most)
        longest = torch.where(ended, shortest, torch.maximum(limit, shortest).clamp(max=most))
        return shortest, longest
