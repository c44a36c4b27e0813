"""fairseq's beam search, which keeps its books in Python.

fairseq's generator moves a beam's few numbers with some fifty small operations on tensors a step, each of which takes
longer to call than to compute. Here a step asks the model, has `Search.step` choose candidates, and does the rest on
lists: it finds the same hypotheses with the same scores.
"""

from __future__ import annotations

import math

import torch
from fairseq.search import BeamSearch, Search
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.beams import Beams, Ended


class BeamSearchGenerator(SequenceGenerator):
    """fairseq's generator, faster where it searches with beams and nothing else is asked for.

    Samples, prefixes, constraints, n-grams that must not repeat and a language model beside it are left to fairseq's.
    """

    def _generate(self, sample, prefix_tokens=None, constraints=None, bos_token=None):
        if prefix_tokens is not None or constraints is not None or not self._only_searches(sample["net_input"]):
            return super()._generate(sample, prefix_tokens, constraints, bos_token)
        source = sample["net_input"]["src_tokens"]
        last = min(int(self.max_len_a * source.size(1) + self.max_len_b), self.max_len - 1)
        assert self.min_len <= last, "min_len cannot be larger than max_len, please adjust these!"
        device = source.device
        beams = Beams(len(source), self.beam_size, self.eos)
        states: list[dict] = [{} for _ in range(self.model.models_size)]
        order = torch.arange(len(source), device=device).repeat_interleave(self.beam_size)
        encoded = self.model.reorder_encoder_out(self.model.forward_encoder(sample["net_input"]), order)
        tokens = source.new_full((len(order), 1), self.eos if bos_token is None else bos_token)
        scores, attention = torch.zeros(len(source), self.beam_size, 1, device=device), []
        for step in range(last + 1):
            lprobs, weights = self.model.forward_decoder(tokens, encoded, states, self.temperature)
            if weights is not None:
                attention.append(weights)
            lprobs = self._allowed(lprobs, step, last).view(len(beams.searched), -1, lprobs.size(-1))
            going_on = beams.advance(*self._best_candidates(step, lprobs, scores, tokens), is_last=step == last)
            if not beams.searched:
                break
            if len(going_on) < len(lprobs):
                self.search.prune_sentences(torch.tensor(going_on, device=device))
            newest = beams.history[-1]
            tokens_before = tokens
            if newest.parents != list(range(len(tokens))):
                order = torch.tensor(newest.parents, device=device)
                self.model.reorder_incremental_state(states, order)
                encoded = self.model.reorder_encoder_out(encoded, order)
                tokens_before = tokens.index_select(0, order)
            chosen = torch.tensor(newest.pieces, device=device)
            tokens = torch.cat([tokens_before, chosen.unsqueeze(1)], dim=1)
            scores = torch.tensor(newest.scores, dtype=lprobs.dtype, device=device).view(len(going_on), -1, 1)
        return [self._hypotheses(ended, attention, device) for ended in beams.ended]

    def _only_searches(self, net_input: dict) -> bool:
        search = self.search
        while isinstance(getattr(search, "search", None), Search):  # within ours
            search = search.search
        others = (self.lm_model, self.repeat_ngram_blocker, self.token_indices_to_suppress)
        plain = all(other is None for other in others) and not self.match_source_len
        return plain and type(search) is BeamSearch and "src_tokens" in net_input

    def _allowed(self, lprobs: Tensor, step: int, last: int) -> Tensor:
        """`lprobs` (R, V) with nothing for what a hypothesis must not go on with."""
        lprobs[:, self.pad] = -math.inf
        if self.unk_penalty:
            lprobs[:, self.unk] -= self.unk_penalty
        if step >= last:
            lprobs[:, : self.eos] = -math.inf
            lprobs[:, self.eos + 1 :] = -math.inf
        if step < self.min_len:
            lprobs[:, self.eos] = -math.inf
        return lprobs

    def _best_candidates(self, step: int, lprobs: Tensor, scores: Tensor, tokens: Tensor) -> list[list[list]]:
        """Scores, pieces and rows within its sentence of each sentence's best candidates, best first."""
        so_far = scores.expand(-1, -1, step)  # the search reads the last
        found = [each.tolist() for each in self.search.step(step, lprobs, so_far, tokens)]
        if math.isnan(sum(map(sum, found[0]))):  # which a search takes for the best
            lprobs.masked_fill_(lprobs.isnan(), -math.inf)
            found = [each.tolist() for each in self.search.step(step, lprobs, so_far, tokens)]
        return found

    def _hypotheses(self, ended: list[Ended], attention: list[Tensor], device: torch.device) -> list[dict]:
        """A sentence's, as fairseq's generator gives them: best first."""
        if not ended:
            raise UserError("no hypothesis has a probability: the model's weights or scores are not finite numbers")
        pieces = torch.tensor([piece for each in ended for piece in each.pieces], device=device)
        sums = torch.tensor([score for each in ended for score in each.scores], device=device)
        before = torch.tensor([score for each in ended for score in (0.0, *each.scores[:-1])], device=device)
        lengths = [len(each.pieces) for each in ended]
        scores = torch.tensor([each.scores[-1] for each in ended], device=device)
        if self.normalize_scores:
            scores /= torch.tensor([length**self.len_penalty for length in lengths], device=device)
        found = [
            {
                "tokens": tokens,
                "score": score,
                "attention": _attention(each.rows, attention),
                "alignment": torch.empty(0),
                "positional_scores": of_positions,
            }
            for each, tokens, score, of_positions in zip(
                ended, pieces.split(lengths), scores, (sums - before).split(lengths), strict=True
            )
        ]
        order = sorted(range(len(found)), key=scores.tolist().__getitem__, reverse=True)
        return [found[number] for number in order]


def _attention(rows: list[int], weights: list[Tensor]) -> Tensor:
    """Weights (S, T) of a hypothesis that stood in these rows, of those of each step (R, S)."""
    if not weights:
        return torch.empty(0)
    return torch.stack([step[row] for step, row in zip(weights, rows, strict=False)], dim=1)
