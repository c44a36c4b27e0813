"""Any of fairseq's searches, kept to hypotheses that are valid UTF-8."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from fairseq.search import BeamSearch, LengthConstrainedBeamSearch, Sampling, Search
from torch import Tensor

from fairseq_bbpe.search.around import SearchAround
from fairseq_bbpe.search.length_bounds import LengthBounds
from fairseq_bbpe.search.utf8_automaton import LOOKBACK, START, STATES, PieceAutomaton


class Bounds(Protocol):
    """Where the search must end."""

    longest: Tensor
    """Length (B,) of every sentence of the batch at most, end of sentence included; or (1,), the same for all."""


class BatchBounds:
    """The bounds of fairseq's own generator, which are one for the whole batch; none until `set_longest` tells them."""

    longest = torch.tensor([2**30])


def keep_valid(generator, automaton: PieceAutomaton) -> None:
    """Keep fairseq's `generator` to hypotheses that are valid UTF-8; one that does not search stays as it is."""
    search = getattr(generator, "search", None)
    if isinstance(search, LengthBounds):
        search.search = ValidUTF8Search(generator.tgt_dict, search.search, automaton, search)
    elif search is not None:
        generator.search = ValidUTF8Search(generator.tgt_dict, search, automaton, BatchBounds())


def set_longest(generator, sample: dict) -> None:
    """Tell `generator`'s search how long the hypotheses for `sample` may become: as fairseq's generator computes it."""
    bounds = getattr(getattr(generator, "search", None), "bounds", None)
    if not isinstance(bounds, BatchBounds):
        return
    source = sample["net_input"]["src_tokens"]
    if generator.match_source_len:
        longest = (source.ne(generator.eos) & source.ne(generator.pad)).sum(dim=1).max().item()
    else:
        longest = int(min(generator.max_len_a * source.size(1) + generator.max_len_b, generator.max_len - 1))
    bounds.longest = source.new_tensor([longest + 1])


class ValidUTF8Search(SearchAround):
    """Take the step of `search`; where that chose a piece that valid text cannot have there, mask all such and repeat.

    So what is valid without the rule comes out the same to the last bit. Of several hypotheses, samples or beams of one
    sentence, all are drawn again, which gives them the probabilities that masking before the draw would have given: of
    all pieces; of the most likely ones (`--sampling-topk`, `--sampling-topp`) only nearly, for masking adds others.
    Where other rules leave a sentence nothing valid, as a forced prefix may, they have it their way.

    Args:
        tgt_dict: fairseq's dictionary.
        search: the search to constrain.
        automaton: of the dictionary's symbols.
        bounds: at each step, the lengths that the hypotheses must not exceed; characters are finished before.
    """

    def __init__(self, tgt_dict, search: Search, automaton: PieceAutomaton, bounds: Bounds) -> None:
        super().__init__(tgt_dict, search)
        self.bounds = bounds
        forbidden = torch.from_numpy(~automaton.allowed_with_room())
        self.largest_room = len(forbidden) - 1
        self.forbidden = forbidden.view(-1, forbidden.size(-1))  # (rooms * 8, V)
        self.next = torch.from_numpy(automaton.next)  # (8, V)
        self.partial = frozenset(automaton.partial().tolist())

    def step(self, step, lprobs, scores, prev_output_tokens=None, original_batch_idxs=None):
        if self.forbidden.device != lprobs.device:
            self.forbidden, self.next = self.forbidden.to(lprobs.device), self.next.to(lprobs.device)
        before = getattr(self.search, "constraint_states", None)
        before = before and list(before)
        # fairseq's other searches write into what they are given.
        given = lprobs if type(self.search) is BeamSearch else lprobs.clone()
        found = self.search.step(step, given, scores, prev_output_tokens, original_batch_idxs)
        chosen, pieces, beams = found
        if self._all_whole(prev_output_tokens[:, -1]) and self._all_whole(pieces):
            return found
        batch, beam, symbols = lprobs.shape
        kinds = self._kinds(step, prev_output_tokens).view(batch, beam)
        invalid = self.forbidden.take(kinds.gather(1, beams) * symbols + pieces) & (chosen > -math.inf)
        if not invalid.any():
            return found
        sentences = invalid.any(dim=1).nonzero().squeeze(1)
        if type(self.search) in (BeamSearch, Sampling):  # they need nothing but the sentences' own
            masked = self._mask(lprobs[sentences], kinds[sentences])
            again = self.search.step(step, masked, scores[sentences])
        else:
            after = getattr(self.search, "constraint_states", None)
            self.search.constraint_states = before
            masked = self._mask(lprobs, kinds)
            again = self.search.step(step, masked, scores, prev_output_tokens, original_batch_idxs)
            alive = (again[0] > -math.inf).any(dim=1)
            sentences = (invalid.any(dim=1) & alive).nonzero().squeeze(1)
            again = [values[sentences] for values in again]
            if after:
                kept = self.search.constraint_states
                changed = set(sentences.tolist())
                self.search.constraint_states = [kept[n] if n in changed else after[n] for n in range(batch)]
        for values, better in zip(found, again, strict=True):
            values[sentences] = better
        return found

    def _all_whole(self, pieces: Tensor) -> bool:
        """Whether all of these are whole characters, which may follow one another: so it is in nearly every step.

        On a CPU, Python finds that out in a fraction of the time that the operations for less simple steps take, as
        each of them is small and runs from a cold cache. On an accelerator it would have to wait for the answer.
        """
        return pieces.device.type == "cpu" and self.partial.isdisjoint(pieces.flatten().tolist())

    def _kinds(self, step: int, tokens: Tensor) -> Tensor:
        """The row of `forbidden` (B * beam,) for every hypothesis: its state, and how many pieces it may still get."""
        symbols = self.next.size(1)
        state = self.next[START].take(tokens[:, -LOOKBACK:][:, 0])
        for column in tokens[:, -LOOKBACK:].unbind(1)[1:]:
            state = self.next.take(state * symbols + column)
        longest = self.bounds.longest.to(tokens.device)
        if isinstance(self.search, LengthConstrainedBeamSearch):
            own = self.search.max_len_a * self.search.src_lengths + self.search.max_len_b + 1
            longest = torch.minimum(longest, own)
        # The last of `longest` positions is the end of the sentence's.
        room = (longest - (step + 2)).clamp(0, self.largest_room) * STATES
        return (state.view(len(longest), -1) + room[:, None]).view(-1)

    def _mask(self, lprobs: Tensor, kinds: Tensor) -> Tensor:
        """`lprobs` (B, beam, V) without what is forbidden, except where that would leave nothing."""
        masked = lprobs.masked_fill(self.forbidden[kinds], -math.inf)
        alive = masked.amax(dim=-1) > -math.inf
        if not isinstance(self.search, Sampling):  # samples live alone, but one beam is enough for a sentence
            alive = alive.any(dim=1, keepdim=True)
        return masked if alive.all() else torch.where(alive.unsqueeze(-1), masked, lprobs)
