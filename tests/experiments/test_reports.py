"""What tables say of themselves: bits/byte beside the paper's, tokenised references, seeds, budgets."""

import itertools
import json
import re
import subprocess

import pytest
from conftest import ROOT

import fairseq_bbpe
from fairseq_bbpe.experiments import language_model, train
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.corpus import Corpus, Text, checksum, evenly, read_corpora
from fairseq_bbpe.experiments.job import Hardware, Job
from fairseq_bbpe.experiments.measure import beside
from fairseq_bbpe.experiments.results import COLUMNS, ends
from fairseq_bbpe.experiments.system import read_experiments
from fairseq_bbpe.experiments.system_report import of_systems
from fairseq_bbpe.experiments.workspace import Workspace


@pytest.fixture
def language_models(tmp_path):
    """A ByteNet Decoder that has been trained and scored, as far as its files tell."""
    path = ROOT / "examples/bytenet/systems.yaml"
    found = read_experiments(path)
    corpora = read_corpora(path.parent / found.corpora)
    workspace = Workspace(tmp_path, "small", found.scales["small"], corpora, tmp_path / "a file")
    job = Job("bytes/bytenet", 1, Budget("minutes", 1), Hardware("CPU"), workspace, found)
    job.folder.mkdir(parents=True)
    job.data.folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        (job.data.folder / split).write_bytes(b"bytes of " + split.encode())
    (job.data.folder / "baselines.json").write_text('{"baselines": [["xz -9", "2.5000"]]}')
    progress = {"updates": 7, "minutes": 1, "tokens": 70, "sentences": 7, "epochs": 0}
    state = {"progress": progress, "parameters": 10, "hardware": "CPU", "commit": "abc"}
    (job.folder / "state.json").write_text(json.dumps(state))
    (job.folder / "test.json").write_text('{"bits": 1.5}')
    return job, found.tables["table2"]


def test_another_file_is_not_compared_with_enwik8(language_models):
    job, table = language_models
    report = language_model.report_bits([job], table, ["fairseq-bbpe", "reproduce", "bytenet/table2"])
    _, header, rows = report.sections[0]
    assert header == ["model", "paper, enwik8", "ours"]
    assert ["ByteNet Decoder", "1.33", "1.5000"] in rows
    assert ["xz -9", "-", "2.5000"] in rows
    assert "It is not enwik8" in report.notes[0]


def test_enwik8_is_compared_and_known_by_its_content(language_models, monkeypatch):
    job, table = language_models
    splits = [job.data.folder / split for split in ("train", "valid", "test")]
    monkeypatch.setattr(language_model, "ENWIK8", language_model._sha256(splits))
    report = language_model.report_bits([job], table, ["fairseq-bbpe", "reproduce", "bytenet/table2"])
    assert ["ByteNet Decoder", "1.33", "1.5000", "+0.1700"] in report.sections[0][2]
    assert "not enwik8" not in report.notes[0]
    assert language_model.ENWIK8.startswith(checksum(splits))


@pytest.mark.parametrize(
    ("lines", "tokenised"),
    [
        (["A dog runs .", "Is it fast ?", "no mark"], True),
        (["A dog runs.", "Is it fast?", "It is ."], False),
        (["no mark", "none either"], False),
    ],
)
def test_tokenised_references_are_noticed(lines, tokenised, tmp_path):
    for side in ("de", "en"):
        (tmp_path / f"test.{side}").write_text("".join(f"{line}\n" for line in lines))
    assert Text("de-en", Corpus("de", "en"), tmp_path).tokenised() is tokenised


def row(system, seed, bleu, **others):
    facts = dict.fromkeys(COLUMNS, "-") | {
        "set": "all",
        "sentences": 9,
        "scale": "small",
        "corpus": "de-en",
        "pairs": 8,
    }
    scores = {"system": system, "label": system.upper(), "seed": seed, "bleu": bleu, "chrf": 50.0, "trainable": 1}
    return facts | scores | {"tokenised": "no", "brevity_penalty": 0.9} | others


def report(*rows, shown=None):
    scale = read_experiments(ROOT / "examples/bbpe/systems.yaml").scales["small"]
    return of_systems("A title", list(rows), shown, scale, "time")


def test_seeds_are_a_mean_and_a_deviation_beside_the_papers(tmp_path):
    found = report(row("a", 1, 30.0, paper=31.5), row("a", 2, 32.0, paper=31.5), row("b", 1, 20.0))
    text = found.write(tmp_path, "table5")
    assert "| A | 31.5 / 31.00 ± 1.41 / -0.50 |" in text
    assert "| B | 20.00 |" in text
    assert "| A | 0.900 |" in text
    assert "the order of the systems and the gaps between them" in text
    assert (tmp_path / "table5.md").read_text(encoding="utf-8") == text
    lines = (tmp_path / "table5.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == list(COLUMNS)
    assert len(lines) == 4


def test_tokenised_references_are_said_on_the_tables_face():
    assert "its references are tokenised" in "".join(report(row("a", 1, 30.0, tokenised="yes")).notes)
    assert "tokenised" not in "".join(report(row("a", 1, 30.0)).notes)


def test_all_sizes_of_a_corpus_are_told():
    notes = report(row("a", 1, 3.0, pairs=3944), row("b", 1, 2.0, pairs=500)).notes
    assert "de-en: 3,944 or 500 training pairs" in "".join(notes)


def test_one_of_several_test_sets_is_not_the_papers_whole():
    paper = {("de-en", "test", "sentences"): "2000", ("fr-en", "test", "sentences"): "9"}
    rows = [["de-en", "test_one", "1500"], ["de-en", "test_two", "400"], ["fr-en", "test_one", "10"]]
    header, found = beside(["corpus", "set", "sentences"], rows, paper)
    assert header == ["corpus", "set", "sentences: paper", "ours", "difference"]
    assert [row[2:] for row in found] == [["-", "1500", "-"], ["-", "400", "-"], ["9", "10", "+1"]]


def test_another_projects_commit_is_not_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "PLUGIN", tmp_path / "venv" / "fairseq_bbpe")
    (tmp_path / "venv").mkdir()
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *command], check=True)
    assert train.commit() == fairseq_bbpe.__version__
    monkeypatch.setattr(train, "PLUGIN", tmp_path / "fairseq_bbpe")
    assert re.fullmatch(r"[0-9a-f]{7,}", train.commit())


def test_of_many_languages_the_ends_and_the_papers_are_shown(tmp_path):
    codes = [f"l{number:02}" for number in range(20)]
    path = tmp_path / "train.lang"
    path.write_text("".join(f"{code}\n" * (20 - number) for number, code in enumerate(codes)))
    assert ends(path) == [*codes[:4], *codes[-4:]]
    rows = [row("a", 1, 30.0), row("a", 1, 29.0, set="l07"), row("a", 1, 28.0, set="l08", paper=27)]
    header = report(*rows, shown=ends(path)).sections[0][1]
    assert header == ["", "all", "l08"]


@pytest.mark.parametrize(("count", "wanted"), [(10, 4), (10, 10), (10, 20), (7, 3), (1000, 999)])
def test_a_sample_is_even_and_as_large_as_asked(count, wanted):
    kept = list(evenly(iter(range(count)), count, wanted))
    assert len(kept) == min(count, wanted)
    gaps = {after - before for before, after in itertools.pairwise(kept)}
    assert max(gaps) - min(gaps) <= 1
