"""Which systems are compared: seeds and test sets that both have, sentence by sentence."""

from types import SimpleNamespace

import pytest

from fairseq_bbpe.experiments.significance import against, compare

REFERENCES = [f"this is sentence number {number} of the test set" for number in range(40)]
GOOD = REFERENCES
BAD = [line.replace("is", "was").replace("test", "text") for line in REFERENCES]


@pytest.fixture
def job(tmp_path):
    def make(name, seed, texts, corpus="de-en"):
        folder = tmp_path / name / str(seed)
        folder.mkdir(parents=True)
        # As fairseq writes: in another order than the references.
        lines = [f"H-{number}\t-1\t{text}\nD-{number}\t-1\t{text}\n" for number, text in enumerate(texts)]
        (folder / "test.out").write_text("".join(reversed(lines)))
        text = SimpleNamespace(references=lambda split: (REFERENCES, []))
        return SimpleNamespace(
            name=name,
            seed=seed,
            folder=folder,
            system=SimpleNamespace(corpus=corpus, vocabulary="byte", label=name.upper()),
            data=SimpleNamespace(pieces=256),
            workspace=SimpleNamespace(text=lambda corpus: text),
        )

    return make


def test_seeds_that_both_have_are_compared_together(job):
    jobs = [job("base", 1, BAD), job("base", 2, GOOD), job("new", 2, GOOD), job("new", 1, BAD), job("new", 3, GOOD)]
    heading, header, rows = against("base", jobs, "test")
    assert heading.startswith("Against BASE, all sets and seeds")
    assert header == ["", "sentences", "BLEU", "p", "chrF", "p"]
    assert [row[:3] for row in rows] == [["NEW", 80, "+0.00"]]


def test_a_better_system_is_better_for_certain_and_an_equal_one_by_chance(job):
    jobs = [job("base", 1, BAD), job("better", 1, GOOD), job("equal", 1, BAD)]
    _, _, (better, equal) = against("base", jobs, "test")
    assert float(better[2]) > 5
    assert better[3] == better[5] == "0.001"  # (0 + 1) / (1,000 + 1)
    assert equal[2:] == ["+0.00", "1.000", "+0.00", "1.000"]


def test_one_sentence_in_forty_is_no_evidence():
    one = [GOOD[0], *BAD[1:]]
    assert 0.05 < float(compare(BAD, one, REFERENCES)[1]) <= 1


def test_nothing_is_compared_with_another_corpus_or_without_the_baseline(job):
    jobs = [job("base", 1, BAD), job("other", 1, GOOD, corpus="fr-en"), job("seed", 2, GOOD)]
    assert against("base", jobs, "test") is None
    assert against("missing", jobs, "test") is None
