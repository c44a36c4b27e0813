"""Search over target-length intervals: bounds, statistics, ranking (Section 6)."""

import pytest
import torch

fairseq = pytest.importorskip("fairseq")
from fairseq.search import BeamSearch  # noqa: E402
from fairseq.sequence_generator import SequenceGenerator  # noqa: E402
from test_bytenet import END, PAD, build, dictionary, sentences, shifted, trained  # noqa: E402

from fairseq_bbpe.errors import UserError  # noqa: E402
from fairseq_bbpe.search.intervals import IntervalBeamSearch, IntervalSearch  # noqa: E402

OPTIONS = {"beam_size": 3, "max_len_a": 1.0, "max_len_b": 20}


@pytest.fixture(scope="module")
def model():
    """Statistics of the target intervals 0 and 2 with each of the source intervals 0, 1 and 2 (10 symbols wide)."""
    torch.manual_seed(1)
    model = trained(build(norm="sub_batch", unfold="zero"))
    assert model.buckets.candidates(0) == [0, 2]
    return model


def search(models, source, **options):
    generator = IntervalSearch(models, dictionary(), **{**OPTIONS, **options})
    return generator.generate(models, {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}})


def mean_log_likelihood(model, source, tokens, interval):
    encoded = model.encoder(source, target_interval=torch.tensor([interval]))
    logits, _ = model.decoder(shifted(tokens.unsqueeze(0)), encoded)
    return float(logits[0].log_softmax(-1).gather(1, tokens.unsqueeze(1)).mean())


@torch.no_grad()
def test_each_hypothesis_lies_in_its_interval_and_scores_under_its_statistics(model):
    source = sentences([8, 15, 25])
    for row, hypotheses in zip(source, search([model], source), strict=True):
        assert 1 <= len(hypotheses) <= 3
        scores = [float(hypothesis["score"]) for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in hypotheses:
            interval = (len(hypothesis["tokens"]) - 1) // 10
            assert interval in (0, 2)
            alone = row[row != PAD].unsqueeze(0)
            expected = mean_log_likelihood(model, alone, hypothesis["tokens"], interval)
            assert float(hypothesis["score"]) == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_the_best_of_all_intervals_wins(model):
    source = sentences([15])
    best = search([model], source)[0][0]
    for interval in (0, 2):
        expanded = {"src_tokens": source, "target_interval": torch.tensor([interval])}
        generator = IntervalSearch([model], dictionary(), **OPTIONS)
        low, high = model.buckets.bounds(interval)
        generator.search.set_bounds(torch.tensor([low]), torch.tensor([high]))
        within = generator._generate({"net_input": expanded})[0][0]
        assert low <= len(within["tokens"]) <= high
        assert best["score"] >= within["score"] - 1e-6


@torch.no_grad()
def test_a_sentence_is_translated_as_it_is_alone(model):
    source = sentences([8, 25, 4])
    for row, together in zip(source, search([model], source), strict=True):
        alone = search([model], row[row != PAD].unsqueeze(0))[0]
        assert [h["tokens"].tolist() for h in together] == [h["tokens"].tolist() for h in alone]


@torch.no_grad()
def test_no_hypothesis_is_longer_than_its_source_allows(model):
    """Interval 2 begins at 21 symbols: a source of 8 and --max-len-b 4 leave only interval 0."""
    hypotheses = search([model], sentences([8, 20]), max_len_b=4)
    assert all(len(h["tokens"]) <= 8 + 4 + 1 for h in hypotheses[0])
    assert all(len(h["tokens"]) <= 20 + 4 + 1 for h in hypotheses[1])
    assert all((len(h["tokens"]) - 1) // 10 in (0, 2) for h in hypotheses[0] + hypotheses[1])


@torch.no_grad()
def test_two_models_search_together(model):
    source = sentences([8, 15])
    twice = search([model, model], source)
    once = search([model], source)
    assert [h["tokens"].tolist() for h in twice[0]] == [h["tokens"].tolist() for h in once[0]]
    with pytest.raises(UserError, match="--bucket-width"):
        search([model, build(norm="sub_batch", bucket_width=20)], source)


def test_bounds_are_those_of_each_sentence_also_after_others_are_finished():
    search = IntervalBeamSearch(dictionary())
    search.set_bounds(torch.tensor([1, 5, 3]), torch.tensor([9, 9, 3]))
    search.prune_sentences(torch.tensor([1, 2]))
    lprobs = torch.randn(2, 1, 24).log_softmax(-1)
    lprobs[:, :, END] = 0.0  # the end is what every sentence would choose
    scores = torch.zeros(2, 1, 9)
    _, chosen, _ = search.step(2, lprobs, scores)  # the third symbol
    assert END not in chosen[0].tolist()
    assert chosen[1, 0] == END
    free_scores, free, _ = BeamSearch(dictionary()).step(5, lprobs, scores)
    search.prune_sentences(torch.tensor([0]))
    kept_scores, kept, _ = search.step(5, lprobs[:1], scores[:1])
    assert kept.tolist() == free[:1].tolist()
    assert torch.equal(kept_scores, free_scores[:1])


@torch.no_grad()
def test_fairseqs_own_search_runs_under_the_likeliest_interval(model):
    source = sentences([15])
    for _ in range(3):
        model.buckets.observe(model.buckets.bucket(torch.tensor([1]), torch.tensor([2])))
    sample = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([15])}}
    hypothesis = SequenceGenerator([model], dictionary(), **OPTIONS).generate([model], sample)[0][0]
    expected = mean_log_likelihood(model, source, hypothesis["tokens"], interval=2)
    assert float(hypothesis["score"]) == pytest.approx(expected, abs=1e-4)
