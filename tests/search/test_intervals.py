"""Search over target-length intervals: candidates, bounds, statistics, ranking, memory (Section 6)."""

import math
from argparse import Namespace

import pytest
import torch

fairseq = pytest.importorskip("fairseq")
from fairseq.sequence_generator import SequenceGenerator  # noqa: E402
from test_bytenet import END, PAD, build, dictionary, sentences, trained  # noqa: E402

from fairseq_bbpe.errors import UserError  # noqa: E402
from fairseq_bbpe.search.intervals import IntervalSearch  # noqa: E402
from fairseq_bbpe.tasks.translation_sub_batch import SubBatchTranslation, SubBatchTranslationConfig  # noqa: E402

OPTIONS = {"beam_size": 3, "max_len_a": 1.0, "max_len_b": 20}
ENDS = {0: (1, 20), 2: (21, math.inf)}  # lengths that the fixture's two sets of statistics serve


@pytest.fixture(scope="module")
def model():
    """Statistics of the target intervals 0 and 2 (10 symbols wide), common with the source intervals 0, 1 and 2."""
    torch.manual_seed(1)
    model = trained(build(norm="sub_batch", unfold="zero"))
    assert [model.buckets.candidates(length) for length in (5, 15, 25)] == [[0, 2]] * 3
    return model


def search(models, source, prefix=None, **options):
    generator = IntervalSearch(models, dictionary(), **{**OPTIONS, **options})
    sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}}
    return generator.generate(models, sample, prefix_tokens=prefix)


@pytest.mark.parametrize(
    "other",
    [{}, {"sampling": True}, {"diverse_beam_groups": 2}, {"diversity_rate": 0.0}, {"match_source_len": True}],
    ids=str,
)
def test_only_a_plain_beam_searches_over_intervals(model, other):
    task = SubBatchTranslation(SubBatchTranslationConfig(data="none"), dictionary(), dictionary())
    generator = task.build_generator([model], Namespace(beam=2, **other))
    assert isinstance(generator, IntervalSearch) == (not other)


def log_probabilities(model, source, tokens, statistics):
    """Of every symbol after each of `tokens` (T,), under these statistics: (T + 1, symbols)."""
    encoded = model.encoder(source.unsqueeze(0), statistics=torch.tensor([statistics]))
    previous = torch.cat([torch.tensor([END]), tokens]).unsqueeze(0)
    return model.decoder(previous, encoded)[0][0].log_softmax(-1)


def mean_log_likelihood(model, source, tokens, statistics):
    logs = log_probabilities(model, source, tokens[:-1], statistics)
    return float(logs.gather(1, tokens.unsqueeze(1)).mean())


def statistics_of(hypothesis):
    return next(number for number, (low, high) in ENDS.items() if low <= len(hypothesis["tokens"]) <= high)


def greedy(model, source, statistics, shortest, longest):
    """The likeliest symbol at each step, one sentence and one interval at a time: what a beam of one finds."""
    tokens = torch.empty(0, dtype=torch.long)
    while not len(tokens) or tokens[-1] != END:
        logs = log_probabilities(model, source, tokens, statistics)[-1]
        logs[PAD] = -math.inf
        if len(tokens) + 1 < shortest:
            logs[END] = -math.inf
        best = logs.argmax() if len(tokens) + 1 < longest else torch.tensor(END)
        tokens = torch.cat([tokens, best.view(1)])
    return tokens


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_of_one_finds_the_better_of_the_greedy_translations_of_each_interval(seed):
    torch.manual_seed(seed)
    model = trained(build(norm="sub_batch", unfold="zero"))
    source = sentences([8, 15, 25, 3])
    for row, hypotheses in zip(source, search([model], source, beam_size=1, max_len_b=6), strict=True):
        alone = row[row != PAD]
        limit = len(alone) + 6 + 1
        found = [
            (mean_log_likelihood(model, alone, tokens, number), tokens.tolist())
            for number, (low, high) in ENDS.items()
            if low <= limit
            for tokens in [greedy(model, alone, number, low, min(high, limit))]
        ]
        score, tokens = max(found)
        assert hypotheses[0]["tokens"].tolist() == tokens
        assert float(hypotheses[0]["score"]) == pytest.approx(score, abs=1e-4)


@torch.no_grad()
def test_each_hypothesis_scores_under_the_statistics_of_its_length(model):
    source = sentences([8, 15, 25])
    for row, hypotheses in zip(source, search([model], source), strict=True):
        assert len(hypotheses) == 3
        scores = [float(hypothesis["score"]) for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in hypotheses:
            expected = mean_log_likelihood(model, row[row != PAD], hypothesis["tokens"], statistics_of(hypothesis))
            assert float(hypothesis["score"]) == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_an_interval_that_is_rare_for_a_source_as_long_is_not_searched():
    torch.manual_seed(1)
    model = trained(build(norm="sub_batch", unfold="zero"))
    model.buckets.count(torch.tensor([15] * 1000 + [5] * 10), torch.tensor([5] * 996 + [25] * 4 + [25] * 10))
    found = search([model], sentences([15, 5]), min_len=1)
    assert all(len(hypothesis["tokens"]) <= 20 for hypothesis in found[0])  # 4 of 1,000 are fewer than 0.5%
    assert all(len(hypothesis["tokens"]) > 20 for hypothesis in found[1])
    for share, searched in ((0.005, [0]), (0.004, [0, 2])):
        generator = IntervalSearch([model], dictionary(), smallest_interval_share=share, **OPTIONS)
        candidates = generator._candidates(sentences([15]), torch.tensor([1]), torch.tensor([30]))
        assert [statistics for _, statistics, _, _ in candidates] == searched


@torch.no_grad()
def test_a_sentence_is_translated_as_it_is_alone(model):
    source = sentences([8, 25, 4])
    for row, together in zip(source, search([model], source), strict=True):
        alone = search([model], row[row != PAD].unsqueeze(0))[0]
        assert [h["tokens"].tolist() for h in together] == [h["tokens"].tolist() for h in alone]


@torch.no_grad()
def test_no_hypothesis_is_longer_than_its_source_allows(model):
    hypotheses = search([model], sentences([8, 20]), max_len_b=4)
    assert all(len(h["tokens"]) <= 8 + 4 + 1 for h in hypotheses[0])
    assert all(len(h["tokens"]) <= 20 + 4 + 1 for h in hypotheses[1])


@torch.no_grad()
@pytest.mark.parametrize("min_len", [12, 20, 27])
def test_a_least_length_beyond_an_interval_rules_the_interval_out(model, min_len):
    for row, hypotheses in zip((8, 15), search([model], sentences([8, 15]), min_len=min_len), strict=True):
        for hypothesis in hypotheses:
            assert min_len + 1 <= len(hypothesis["tokens"]) <= max(row + 20, min_len) + 1
            assert math.isfinite(hypothesis["score"])


@torch.no_grad()
def test_a_least_length_that_no_source_allows_is_told(model):
    with pytest.raises(UserError, match=r"--min-len 40: a source of 8 symbols allows 28 by --max-len-a 1\.0"):
        search([model], sentences([8]), min_len=40)


@torch.no_grad()
def test_a_prefix_longer_than_an_interval_rules_the_interval_out(model):
    given = torch.randint(4, 24, (2, 24))
    given[1, 3:] = PAD  # prefixes of a batch may differ in length
    for prefix, hypotheses in zip(given, search([model], sentences([9, 15]), given), strict=True):
        kept = prefix[prefix != PAD].tolist()
        assert hypotheses
        assert all(hypothesis["tokens"][: len(kept)].tolist() == kept for hypothesis in hypotheses)
    ended = torch.tensor([[5, 6, END], [5, 6, 7]])
    first, second = search([model], sentences([9, 15]), ended, min_len=6)
    assert {tuple(hypothesis["tokens"].tolist()) for hypothesis in first} == {(5, 6, END)}
    assert all(len(hypothesis["tokens"]) > 6 for hypothesis in second)


@torch.no_grad()
def test_the_search_holds_no_more_rows_than_the_batch_was_made_for(model, monkeypatch):
    """fairseq sizes a batch by --max-tokens before the search multiplies it by its candidates."""
    shapes = []
    encode = model.encoder.forward

    def counted(src_tokens, *arguments, **options):
        shapes.append(tuple(src_tokens.shape))
        return encode(src_tokens, *arguments, **options)

    monkeypatch.setattr(model.encoder, "forward", counted)
    source = sentences([8, 15, 25])
    assert len(search([model], source)) == 3
    assert sum(rows for rows, _ in shapes) == 6
    assert max(rows for rows, _ in shapes) == 3
    assert {length for _, length in shapes} == {25}


@torch.no_grad()
def test_two_models_search_together(model):
    source = sentences([8, 15])
    twice = search([model, model], source)
    once = search([model], source)
    assert [h["tokens"].tolist() for h in twice[0]] == [h["tokens"].tolist() for h in once[0]]
    for other in (build(norm="sub_batch", bucket_width=20), build(norm="sub_batch")):
        with pytest.raises(UserError, match="--bucket-width"):
            search([model, other], source)


@torch.no_grad()
def test_fairseqs_own_search_runs_under_the_likeliest_statistics():
    torch.manual_seed(1)
    model = trained(build(norm="sub_batch", unfold="zero"))
    model.buckets.count(torch.tensor([15] * 5), torch.tensor([5, 5, 25, 25, 25]))
    source = sentences([15])
    sample = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([15])}}
    hypothesis = SequenceGenerator([model], dictionary(), **OPTIONS).generate([model], sample)[0][0]
    expected = mean_log_likelihood(model, source[0], hypothesis["tokens"], statistics=2)
    assert float(hypothesis["score"]) == pytest.approx(expected, abs=1e-4)
