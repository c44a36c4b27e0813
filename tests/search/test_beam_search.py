"""Our beam search finds what fairseq's generator finds: the same hypotheses, scores and attention, to the last bit."""

import math

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.search import DiverseBeamSearch, Sampling
from fairseq.sequence_generator import SequenceGenerator
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.beam_search import BeamSearchGenerator

PAD, EOS, UNK = 1, 2, 3


def dictionary(symbols: int) -> Dictionary:
    made = Dictionary()
    for symbol in range(symbols):
        made.add_symbol(f"s{symbol}")
    return made


class RandomEncoder(nn.Module):
    def forward_torchscript(self, net_input):
        return {"encoder_out": [net_input["src_tokens"].long()]}

    def reorder_encoder_out(self, encoder_out, order):
        return {"encoder_out": [encoder_out["encoder_out"][0].index_select(0, order)]}


class RandomDecoder(nn.Module):
    """Any distribution whatever after every prefix and source: what an untrained network of some depth would give."""

    def __init__(self, symbols: int, seed: int, weights: bool | torch.dtype):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.mix = torch.randn(64, 16, generator=draw)
        self.out = torch.randn(16, symbols, generator=draw) * 3
        self.weights = weights

    def forward(self, tokens, encoder_out):
        (source,) = encoder_out["encoder_out"]
        state = self.mix[source].sum(1)
        for token in tokens.unbind(1):
            state = torch.sin(2 * state.roll(1, 1) + self.mix[token])
        attention = torch.softmax(self.mix[source][..., 0] * state[:, :1], dim=1)
        attention = attention.unsqueeze(1).repeat(1, tokens.size(1), 1)  # that of the last is read
        if isinstance(self.weights, torch.dtype):
            attention = attention.to(self.weights)
        return (state @ self.out).unsqueeze(1), {"attn": [attention if self.weights else None]}


class RandomModel(nn.Module):
    def __init__(self, symbols: int, seed: int = 0, weights: bool | torch.dtype = False, broken: float | None = None):
        super().__init__()
        self.encoder, self.decoder = RandomEncoder(), RandomDecoder(symbols, seed, weights)
        self.broken = broken

    def get_normalized_probs(self, net_output, log_probs, sample):
        found = torch.log_softmax(net_output[0], dim=-1)
        if self.broken is not None:
            found[..., 5::3] = self.broken
        return found

    def max_decoder_positions(self):
        return 40


def both(model, symbols, source, generate=None, **options):
    """What our generator and fairseq's find."""
    found = []
    for kind in (BeamSearchGenerator, SequenceGenerator):
        torch.manual_seed(1)
        models = [each() for each in model] if isinstance(model, list) else [model()]
        generator = kind(models, dictionary(symbols - 4), **{key: make(value) for key, value in options.items()})
        sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}}
        found.append(generator.generate(models, sample, **(generate or {})))
    return found


def make(value):
    return value() if callable(value) else value


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert [h["tokens"].tolist() for h in mine] == [h["tokens"].tolist() for h in other]
        for a, b in zip(mine, other, strict=True):
            assert a.keys() == b.keys()
            for key in ("score", "positional_scores", "attention"):
                torch.testing.assert_close(a[key], b[key], atol=0, rtol=0, check_dtype=True)


def sources(rows: int, width: int = 5):
    return torch.randint(4, 64, (rows, width), generator=torch.Generator().manual_seed(rows))


class Rounded(RandomModel):
    """Log-probabilities of few values: hypotheses tie."""

    def get_normalized_probs(self, net_output, log_probs, sample):
        return (2 * super().get_normalized_probs(net_output, log_probs, sample)).round() / 2


@pytest.mark.parametrize("seed", range(4))
def test_many_hypotheses_that_tie_come_in_fairseqs_order(seed):
    """From 17 numbers on, fairseq's sort keeps no order of those that are the same."""
    assert_same(*both(lambda: Rounded(30, seed), 30, sources(2), beam_size=20, max_len_b=6))


class Half(RandomModel):
    """Half precision, as an adaptive softmax gives it; the others' log_softmax gives float32."""

    def get_normalized_probs(self, net_output, log_probs, sample):
        return super().get_normalized_probs(net_output, log_probs, sample).to(torch.bfloat16)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("len_penalty", [1.0, 0.3])
def test_scores_in_half_precision_are_fairseqs(seed, len_penalty):
    half = both(lambda: Half(12, seed), 12, sources(3), beam_size=4, max_len_b=9, len_penalty=len_penalty)
    assert_same(*half)
    assert half[0][0][0]["score"].dtype is torch.bfloat16


def test_attention_in_half_precision_is_given_in_float32():
    found = both(lambda: RandomModel(12, weights=torch.bfloat16), 12, sources(3), beam_size=3, max_len_b=9)
    assert_same(*found)
    assert found[0][0][0]["attention"].dtype is torch.float32


def test_only_the_last_pieces_attention_is_kept(monkeypatch):
    """A decoder that starts anew in each step gives the weights of all pieces so far, of which a search needs one's."""
    kept = []
    hypotheses = BeamSearchGenerator._hypotheses
    monkeypatch.setattr(BeamSearchGenerator, "_hypotheses", lambda *given: kept.extend(given[2]) or hypotheses(*given))
    models = [RandomModel(12, weights=True)]
    generator = BeamSearchGenerator(models, dictionary(8), beam_size=3, max_len_b=9)
    generator.generate(models, {"net_input": {"src_tokens": sources(2)}})
    assert len(kept) > 2
    assert [each.untyped_storage().nbytes() for each in kept] == [4 * each.numel() for each in kept]


def test_sources_need_not_be_pieces():
    """Those of a speech model are numbers, and its targets pieces all the same."""
    assert_same(*both(lambda: RandomModel(12), 12, sources(2).float(), beam_size=3, max_len_b=6))


class FewGoOn(RandomModel):
    """Only two hypotheses have a probability: the end, and one piece and the end."""

    def get_normalized_probs(self, net_output, log_probs, sample):
        found = torch.full_like(net_output[0], -math.inf)
        found[..., [EOS, 5]] = math.log(0.5)
        return found


def test_as_many_pieces_as_the_models_positions_allow():
    found = both(lambda: RandomModel(12), 12, sources(3), beam_size=3, min_len=39, max_len_b=100)
    assert_same(*found)
    assert {len(h["tokens"]) for each in found[0] for h in each} == {40}


def test_a_length_beyond_all_numbers_is_the_models_longest():
    models = [RandomModel(12)]
    sample = {"net_input": {"src_tokens": sources(2)}}
    longest, endless = (
        BeamSearchGenerator(models, dictionary(8), beam_size=2, min_len=30, max_len_a=a).generate(models, sample)
        for a in (40, 1e308)
    )
    assert_same(endless, longest)


@pytest.mark.parametrize("len_penalty", [1e5, 10**5, 1e308])
def test_a_penalty_beyond_all_numbers_leaves_scores_of_nothing(len_penalty):
    models = [RandomModel(12)]
    generator = BeamSearchGenerator(models, dictionary(8), beam_size=3, max_len_b=6, len_penalty=len_penalty)
    (found,) = generator.generate(models, {"net_input": {"src_tokens": sources(1)}})
    assert len(found) == 3
    assert all(h["score"] == 0 for h in found if len(h["tokens"]) > 1)


def test_more_pieces_at_least_than_at_most_are_refused():
    models = [RandomModel(12)]
    generator = BeamSearchGenerator(models, dictionary(8), min_len=5, max_len_b=4)
    with pytest.raises(AssertionError, match="min_len"):
        generator.generate(models, {"net_input": {"src_tokens": sources(2)}})


def test_fewer_hypotheses_than_the_beam_are_given_as_they_are():
    models = [FewGoOn(12)]
    generator = BeamSearchGenerator(models, dictionary(8), beam_size=6, max_len_b=1, min_len=0)
    (found,) = generator.generate(models, {"net_input": {"src_tokens": sources(1)}})
    assert sorted(h["tokens"].tolist() for h in found) == [[EOS], [5, EOS]]


@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 5),
    symbols=st.integers(6, 12),
    beam=st.integers(1, 6),
    max_len_a=st.sampled_from([0, 0.5, 1]),
    max_len_b=st.integers(3, 12),
    min_len=st.integers(0, 3),
    unk_penalty=st.sampled_from([0.0, 1.5, -3.0]),
    len_penalty=st.sampled_from([1.0, 0.3, 2.0]),
    normalize_scores=st.booleans(),
    temperature=st.sampled_from([1.0, 0.4, 3.0]),
    weights=st.booleans(),
    models=st.integers(1, 2),
)
def test_it_finds_what_fairseqs_generator_finds(seed, rows, symbols, beam, weights, models, **options):
    made = [lambda number=number: RandomModel(symbols, seed + number, weights) for number in range(models)]
    assert_same(*both(made, symbols, sources(rows), beam_size=beam, **options))


@pytest.mark.parametrize("broken", [math.nan, -math.inf])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_piece_that_has_no_number_is_never_chosen(broken, beam):
    ours, theirs = both(lambda: RandomModel(12, broken=broken), 12, sources(3), beam_size=beam, max_len_b=9)
    assert_same(ours, theirs)
    assert all(set(h["tokens"].tolist()).isdisjoint({5, 8, 11}) for found in ours for h in found)


class NothingIsLikely(RandomModel):
    def get_normalized_probs(self, net_output, log_probs, sample):
        return torch.full_like(net_output[0], math.nan)


def test_a_model_that_gives_no_numbers_is_told():
    models = [NothingIsLikely(9)]
    generator = BeamSearchGenerator(models, dictionary(5), beam_size=2, max_len_b=4)
    with pytest.raises(UserError, match="not finite"):
        generator.generate(models, {"net_input": {"src_tokens": sources(2)}})


@pytest.mark.parametrize(
    ("options", "generate"),
    [
        ({}, {"prefix_tokens": torch.tensor([[4, 5], [6, 1], [7, 7]])}),
        ({}, {"bos_token": 4}),
        ({"no_repeat_ngram_size": 2}, {}),
        ({"tokens_to_suppress": ("s2", "s4")}, {}),
        ({"match_source_len": True}, {}),
        ({"search_strategy": lambda: Sampling(dictionary(8))}, {}),
        ({"search_strategy": lambda: DiverseBeamSearch(dictionary(8), 2, 0.5)}, {}),
        ({"lm_model": lambda: LanguageModel(12)}, {}),
    ],
)
def test_whatever_else_is_asked_for_is_as_fairseqs(options, generate):
    asked, plain = {"beam_size": 4, "max_len_b": 20, **options}, {"beam_size": 4, "max_len_b": 20}
    ours, theirs = both(lambda: RandomModel(12), 12, sources(3), generate, **asked)
    assert_same(ours, theirs)
    without, _ = both(lambda: RandomModel(12), 12, sources(3), **plain)
    assert [[h["tokens"].tolist() for h in found] for found in ours] != [
        [h["tokens"].tolist() for h in found] for found in without
    ]


class LanguageModel(nn.Module):
    def __init__(self, symbols):
        super().__init__()
        self.scores = torch.randn(symbols, generator=torch.Generator().manual_seed(5)).log_softmax(0)

    def forward(self, tokens):
        return self.scores.expand(*tokens.shape, -1)

    def get_normalized_probs(self, net_output, log_probs, sample):
        return net_output
