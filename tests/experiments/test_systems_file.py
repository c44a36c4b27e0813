"""The YAML of systems: the papers' own, and mistakes in a user's, each one line with its file and key."""

import csv

import pytest
import yaml
from conftest import ROOT, run

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import read_corpora
from fairseq_bbpe.experiments.system import read_experiments

FILES = [ROOT / "examples" / paper / "systems.yaml" for paper in ("bbpe", "bytenet")]
GOOD = """
corpora: corpora.yaml
scales: {tiny: {tokens: 64, max_tokens: 64, validate_every: 2, updates: 2}}
models: {transformer: {context: true, flags: {arch: transformer_bbpe_ctx_tiny, lr: 0.1}}, plain: {}}
systems:
  a: {label: A, corpus: x-en, model: transformer, vocabulary: byte, context: gru}
  b: {label: B, corpus: x-en, model: transformer, vocabulary: byte, context: none, start: a, train: [encoder]}
tables: {t: {title: T, kind: translation, systems: [a, b]}}
"""


@pytest.mark.parametrize("path", FILES, ids=["bbpe", "bytenet"])
def test_the_papers_files_hold(path):
    found = read_experiments(path)
    corpora = read_corpora(path.parent / found.corpora)
    assert {system.corpus for system in found.systems.values()} <= corpora.keys()
    shown = {name for table in found.tables.values() for name in (*table.systems, *(table.small or ()))}
    started = {system.start for system in found.systems.values()}
    assert found.systems.keys() == shown | started - {None}


def bbpe():
    return read_experiments(FILES[0])


def test_every_row_of_the_paper_stands_twice():
    """fairseq:N replicates the paper's BBPE and has its figures; bbpe:N of the same size, ours, has none."""
    found = bbpe()
    for name in ("table5", "table6", "table7", "table8", "figure4"):
        systems = [found.systems[each] for each in found.tables[name].systems]
        rows = {(s.vocabulary, s.context, s.start and s.start.partition("4k")[2], str(s.train)): s for s in systems}
        paper = {key: s for key, s in rows.items() if "fairseq:" in key[0]}
        ours = {key: s for key, s in rows.items() if "bbpe:" in key[0]}
        assert {(key[0].replace("fairseq", "bbpe"), *key[1:]) for key in paper} == ours.keys()
        assert paper
        assert not any(system.paper for system in ours.values())
        assert name == "figure4" or all(system.paper for system in paper.values())


@pytest.mark.parametrize("scale", ["small", "base"])
def test_figure_6_draws_the_first_version(scale):
    found = read_experiments(FILES[1])
    (name,) = found.tables["figure6"].systems
    flags = getattr(found.models[found.systems[name].model], scale)
    assert flags["arch"] in ("bytenet", "bytenet_v1_tiny")


def test_the_language_model_has_a_constant_rate_and_the_papers_weight_decay_as_l2():
    """Section 5: Adam with a rate of 10^-2 and a weight decay of 10^-5."""
    flags = read_experiments(FILES[1]).models["byte_lm"].base
    assert (flags["lr"], flags["lr-scheduler"], flags["weight-decay"]) == (0.01, "fixed", 0.00001)


def test_figure_4_has_the_papers_vocabularies_with_three_contexts():
    found = bbpe()
    systems = [found.systems[name] for name in found.tables["figure4"].systems]
    sizes = {system.vocabulary for system in systems}
    assert {"byte", "char", "bpe:16384", "bpe:32768"} <= sizes
    assert {f"{kind}:{n}" for kind in ("fairseq", "bbpe") for n in (2048, 4096, 8192, 16384, 32768)} <= sizes
    for vocabulary in sizes:
        assert [s.context for s in systems if s.vocabulary == vocabulary] == ["none", "conv", "gru"]


def test_the_papers_training_is_set():
    found = bbpe()
    assert found.models["transformer"].flags["adam-eps"] == 1e-9
    assert found.systems["x-en/fairseq4k+flores"].flags["base"]["dropout"] == 0.1
    assert found.systems["x-en/fairseq4k+"].flags["base"]["dropout"] == 0.2
    assert found.systems["si-en/fairseq.enc"].flags == {}  # T_flores' own 0.4


def test_small_vocabularies_are_scaled():
    found = bbpe()
    for name in ("table5", "table6", "table7"):
        small = {found.systems[each].vocabulary for each in found.tables[name].small}
        assert {"byte", "char", "fairseq:4096", "bbpe:4096", "bpe:8192"} <= small
        assert not small & {"bpe:16384", "bpe:32768"}


def test_the_papers_figures_of_text_are_numbers_known_once():
    with open(ROOT / "examples/bbpe/paper.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len({(row["table"], row["corpus"], row["row"], row["column"]) for row in rows}) == len(rows)
    assert all(float(row["figure"]) > 0 for row in rows)
    count = {name: sum(row["where"] == f"Table {name[-1]}" for row in rows) for name in ("table1", "table3", "table4")}
    assert count == {"table1": 12, "table3": 15, "table4": 24 + 20 + 22}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("systems", "a", "vocabulry", "byte"),
            "systems.a.vocabulry: Key 'vocabulry' not in 'System'; give label",
        ),
        (("systems", "a", "pairs", "many"), "systems.a.pairs: Value 'many' "),
        (("systems", "a", "vocabulary", "words:3"), "systems.a.vocabulary: words:3: give byte, char, bbpe:N"),
        (("systems", "a", "vocabulary", "bpe:300@5"), "systems.a.vocabulary: bpe:300@5: only bbpe:N is"),
        (("systems", "a", "vocabulary", "bbpe:9@5"), "systems.a.vocabulary: bbpe:9@5: a byte-level vocabulary"),
        (("systems", "a", "model", "lstm"), "systems.a.model: lstm: choose from transformer, plain"),
        (("systems", "a", "model", "plain"), "systems.a.context: gru: the model plain has context: False"),
        (
            ("systems", "b", "vocabulary", "bbpe:300"),
            "systems.b.vocabulary: bbpe:300: a, from which it starts, has byte",
        ),
        (
            ("tables", "t", "vocabularies", ["bbpe:300@5"]),
            "tables.t.vocabularies: bbpe:300@5: a table of text learns its own: bbpe:300",
        ),
        (("systems", "b", "start", "c"), "systems.b.start: c: choose from a, b"),
        (("systems", "a", "start", "b"), "systems.a.start: a starts from b starts from a"),
        (("systems", "a", "train", []), "systems.a.train: neither trains nor starts from a trained system"),
        (("systems", "b", "train", ["head"]), "systems.b.train: head: choose from embed, encoder, decoder"),
        (("systems", "a", "paper", {"base": {"all": "high"}}), "systems.a.paper.base.all: high: give a number"),
        (("systems", "a", "flags", {"huge": {}}), "systems.a.flags: huge: choose from tiny, small, base, big"),
        (("tables", "t", "kind", "opinions"), "tables.t.kind: opinions: choose from translation"),
        (("tables", "t", "systems", ["c"]), "tables.t.systems: c: choose from a, b"),
        (("tables", "t", "baselines", {"small": ["a", "c"]}), "tables.t.baselines.small: c: choose from a, b"),
        (("models", "transformer", "flags", {"adam-betas": "(0.9", "0.98)": None}), "models.transformer.flags: 0.98)"),
        (("scales", "tiny", "tokens", "few"), "scales.tiny.tokens: Value 'few' "),
    ],
    ids=lambda value: ".".join(map(str, value[:3])) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line_with_file_and_key(change, words, tmp_path):
    loaded = yaml.safe_load(GOOD)
    *keys, last, value = change
    at = loaded
    for key in keys:
        at = at[key]
    at[last] = value
    path = tmp_path / "systems.yaml"
    path.write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_experiments(path)
    assert str(raised.value).startswith(f"{path}: {words}")
    assert "\n" not in str(raised.value)


def test_a_good_file_of_ones_own_is_listed(tmp_path):
    (tmp_path / "systems.yaml").write_text(GOOD, encoding="utf-8")
    assert run("fairseq-bbpe", "reproduce", "--config", tmp_path / "systems.yaml").stdout.split()[-2:] == [
        f"{tmp_path.name}/t",
        "T",
    ]
