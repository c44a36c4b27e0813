"""fairseq's beam search, which keeps its books in Python.

fairseq's generator moves a beam's few numbers with some fifty small operations on tensors a step, each of which takes
longer to call than to compute. Here a step asks the model, has `Search.step` choose candidates, and does the rest on
lists: it finds the same hypotheses with the same scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, islice

import torch
from fairseq.search import BeamSearch
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.around import SearchAround
from fairseq_bbpe.search.beams import Beams, Ended


class BeamSearchGenerator(SequenceGenerator):
    """fairseq's generator, faster where it searches with beams and nothing else is asked for.

    Samples, diverse beams, prefixes, constraints, n-grams that must not repeat, pieces that must not occur, targets as
    long as their sources and a language model beside it are left to fairseq's. Where fewer than `beam` hypotheses have
    a probability, fairseq's stops in an assertion; this one gives those.

    Raises:
        UserError: a sentence has no hypothesis with a probability.
    """

    def _generate(self, sample, prefix_tokens=None, constraints=None, bos_token=None):
        if prefix_tokens is not None or constraints is not None or not self._only_searches(sample["net_input"]):
            return super()._generate(sample, prefix_tokens, constraints, bos_token)
        source = sample["net_input"]["src_tokens"]
        last = int(min(self.max_len_a * source.size(1) + self.max_len_b, self.max_len - 1))
        assert self.min_len <= last, "min_len cannot be larger than max_len, please adjust these!"
        device = source.device
        beams = Beams(len(source), self.beam_size, self.eos)
        states: list[dict] = [{} for _ in range(self.model.models_size)]
        rows = torch.arange(len(source), device=device).repeat_interleave(self.beam_size)
        encoded = self.model.reorder_encoder_out(self.model.forward_encoder(sample["net_input"]), rows)
        first = self.eos if bos_token is None else bos_token
        tokens = torch.full((len(rows), 1), first, dtype=torch.long, device=device)
        scores, attention = torch.zeros(len(source), self.beam_size, 1, device=device), []
        for step in range(last + 1):
            lprobs, weights = self.model.forward_decoder(tokens, encoded, states, self.temperature)
            if weights is not None:  # a copy: they may be a view of every step's
                attention.append(weights.to(torch.float, copy=True))
            lprobs = self._allowed(lprobs, step, last).view(len(beams.searched), -1, lprobs.size(-1))
            going_on = beams.advance(*self._best_candidates(step, lprobs, scores, tokens))
            if not beams.searched:
                break
            if len(going_on) < len(lprobs):
                self.search.prune_sentences(torch.tensor(going_on, device=device))
            chosen = beams.history[-1]
            tokens_before = tokens
            if chosen.parents != list(range(len(tokens))):
                parents = torch.tensor(chosen.parents, device=device)
                self.model.reorder_incremental_state(states, parents)
                encoded = self.model.reorder_encoder_out(encoded, parents)
                tokens_before = tokens.index_select(0, parents)
            pieces = torch.tensor(chosen.pieces, device=device)
            tokens = torch.cat([tokens_before, pieces.unsqueeze(1)], dim=1)
            scores = torch.tensor(chosen.scores, dtype=lprobs.dtype, device=device).view(len(going_on), -1, 1)
        return self._hypotheses(beams.ended, attention, lprobs.dtype, device)

    def _only_searches(self, net_input: dict) -> bool:
        search = self.search
        while isinstance(search, SearchAround):
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
        so_far = scores.expand(-1, -1, step)  # of whose columns the search reads the last alone
        found = [each.tolist() for each in self.search.step(step, lprobs, so_far, tokens)]
        if math.isnan(sum(map(sum, found[0]))):  # a search takes what is not a number for the best
            lprobs.masked_fill_(lprobs.isnan(), -math.inf)
            found = [each.tolist() for each in self.search.step(step, lprobs, so_far, tokens)]
        return found

    def _hypotheses(
        self, ended: list[list[Ended]], attention: list[Tensor], dtype: torch.dtype, device: torch.device
    ) -> list[list[dict]]:
        """Of each sentence, as fairseq's generator gives them: best first."""
        if not all(ended):
            raise UserError("no hypothesis has a probability: the model's weights or scores are not finite numbers")
        every = [each for of_sentence in ended for each in of_sentence]
        lengths = [len(each.pieces) for each in every]
        pieces = torch.tensor([piece for each in every for piece in each.pieces], device=device)
        sums = torch.tensor([total for each in every for total in each.scores], dtype=dtype, device=device)
        before = torch.tensor(
            [total for each in every for total in (0.0, *each.scores[:-1])], dtype=dtype, device=device
        )
        scores = torch.tensor([each.scores[-1] for each in every], dtype=dtype, device=device)
        if self.normalize_scores:  # as half is divided by a Python number: in float32
            exact = torch.promote_types(dtype, torch.float)
            penalties = [_power(length, self.len_penalty) for length in lengths]
            scores = (scores / torch.tensor(penalties, dtype=exact, device=device)).to(dtype)
        found = [
            {
                "tokens": tokens,
                "score": score,
                "attention": weights,
                "alignment": torch.empty(0),
                "positional_scores": of_positions,
            }
            for tokens, score, weights, of_positions in zip(
                pieces.split(lengths),
                scores,
                _attention(every, attention),
                (sums - before).split(lengths),
                strict=True,
            )
        ]
        scored = zip(scores.tolist(), found, strict=True)
        return [_best_first(list(islice(scored, len(of_sentence)))) for of_sentence in ended]


def _power(length: int, penalty: float) -> float:
    """As Python computes it, to the last bit, but infinite where that refuses a number beyond all floats."""
    try:
        return float(length) ** penalty
    except OverflowError:
        return math.inf


def _best_first(scored: list[tuple[float, dict]]) -> list[dict]:
    """In fairseq's order, also of those that score the same."""
    order = torch.tensor([score for score, _ in scored]).sort(descending=True).indices
    return [scored[number][1] for number in order.tolist()]


def _attention(hypotheses: list[Ended], weights: list[Tensor]) -> Sequence[Tensor]:
    """Each hypothesis's weights (S, T), of those of each step's rows (R, S)."""
    if not weights:
        return [torch.empty(0)] * len(hypotheses)
    first_rows = list(accumulate(map(len, weights), initial=0))
    places = [first + row for each in hypotheses for first, row in zip(first_rows, each.rows, strict=False)]
    of_pieces = torch.cat(weights)[torch.tensor(places, device=weights[0].device)]
    return [each.T for each in of_pieces.split([len(each.pieces) for each in hypotheses])]
