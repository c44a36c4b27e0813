"""The scripts of the BBPE paper's vocabulary tables and figures, each on the embedded corpus and few vocabularies."""

import csv
import os
import subprocess

import pytest
from conftest import BIN, ROOT

pytest.importorskip("babel")
pytest.importorskip("matplotlib")

EXAMPLES = ROOT / "examples" / "bbpe"
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
SCRIPTS = {
    "table1": "table1_datasets.sh",
    "table3": "table3_partial_characters.sh",
    "table4": "table4_lengths.sh",
    "figure2": "figure2_symbol_frequencies.sh",
    "figure3": "figure3_sharing.sh",
    "figure5": "figure5_tokenisation.sh",
}
VOCABULARIES = ["--vocab", "bbpe:2048 char"]


def script(name, *arguments, status=0):
    command = ["bash", EXAMPLES / SCRIPTS[name], *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert finished.returncode == status, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished


def table(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("bbpe analysis")  # with a space: every path in the scripts is quoted


@pytest.fixture(scope="module")
def tables(output):
    """What all six leave behind, the vocabularies learned once."""
    for name in SCRIPTS:
        script(name, "--output", output, "--corpora", "x-en", *(VOCABULARIES if name != "table1" else ()))
    return output / "tiny" / "tables"


def test_each_leaves_its_table_its_markdown_and_its_figure(tables):
    expected = {f"{name}.md" for name in SCRIPTS} | {f"table{n}.tsv" for n in (1, 3, 4)}
    expected |= {"figure2.x-en.tsv", "figure2.png", "figure3.five.tsv", "figure3.all.tsv", "figure3.png", "figure5.tsv"}
    assert {path.name for path in tables.iterdir()} == expected
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in tables.glob("*.png"))


def test_the_tables_are_of_the_corpus(tables):
    corpus = tables.parent / "corpora" / "x-en"
    splits = {row["split"]: row for row in table(tables / "table1.tsv")}
    assert list(splits) == ["train", "valid", "test"]
    assert int(splits["train"]["lines"]) == len((corpus / "train.src").read_bytes().splitlines())
    assert int(splits["test"]["source_bytes"]) == len((corpus / "test.src").read_bytes().replace(b"\n", b""))
    lengths = {row["vocabulary"]: row for row in table(tables / "table4.tsv")}
    assert float(lengths["bbpe:2048"]["both"]) < float(lengths["char"]["both"])
    assert table(tables / "table3.tsv")[1]["tokens_partial_%"] == "0.00"  # whole characters
    languages = len(set((corpus / "train.lang").read_text().split()))
    assert len(table(tables / "figure3.all.tsv")) == 1 + languages
    assert len(table(tables / "figure3.five.tsv")) == 6
    line = (corpus / "valid.en").read_text().splitlines()[0]
    assert table(tables / "figure5.tsv")[1]["target"] == " ".join("_" + line.replace(" ", "_"))


def test_the_paper_stands_beside_ours(tables):
    ours = table(tables / "table4.tsv")[0]["source"]
    row = next(
        line for line in (tables / "table4.md").read_text().splitlines() if line.startswith("| x-en | bbpe:2048 ")
    )
    assert row.startswith(f"| x-en | bbpe:2048 | 2,048 | 70 | {ours} | {float(ours) - 70:+.2f} | 43 | ")
    row = next(line for line in (tables / "table4.md").read_text().splitlines() if line.startswith("| corpus | sent"))
    assert row == "| corpus | sentences | seconds | commit |"
    assert "| 5,100,000 |" in (tables / "table1.md").read_text()


@pytest.mark.parametrize("name", ["table1", "table4", "figure3"])
def test_what_is_done_is_not_done_again(name, output, tables):
    made = {path: path.stat().st_mtime_ns for path in (output / "tiny/stats").iterdir()}
    arguments = ["--output", output, "--corpora", "x-en", *(VOCABULARIES if name != "table1" else ())]
    again = script(name, *arguments)
    assert again.stderr == ""
    assert again.stdout == (tables / f"{name}.md").read_text()
    assert made == {path: path.stat().st_mtime_ns for path in (output / "tiny/stats").iterdir()}


def test_other_vocabularies_are_measured_anew_and_what_is_learned_is_used(output, tables):
    again = script("table4", "--output", output, "--corpora", "x-en", "--vocab", "char")
    assert "learning" not in again.stderr
    assert [row["vocabulary"] for row in table(tables / "table4.tsv")] == ["char"]


def test_the_papers_figures_are_numbers_known_once():
    rows = table(EXAMPLES / "paper.tsv")
    assert list(rows[0]) == ["table", "corpus", "row", "column", "figure", "where"]
    assert len({(row["table"], row["corpus"], row["row"], row["column"]) for row in rows}) == len(rows)
    assert all(float(row["figure"]) > 0 for row in rows)
    count = {name: sum(row["where"] == f"Table {name[-1]}" for row in rows) for name in ("table1", "table3", "table4")}
    assert count == {"table1": 12, "table3": 15, "table4": 24 + 20 + 22}


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_it_does(name):
    said = script(name, "--help").stdout
    assert said.startswith(f"usage: bash examples/bbpe/{SCRIPTS[name]}")
    for flag in ("--data", "--scale", "--output", "--corpora"):
        assert flag in said


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("table1", ["--fast"], "unknown argument '--fast'"),
        ("table1", ["--vocab", "byte"], "unknown argument '--vocab'"),
        ("table4", ["--vocab"], "--vocab needs a value"),
        ("table4", ["--vocab", "byte words:3"], "--vocab words:3: give byte, bbpe:N"),
        ("table4", ["--corpora", "xx-yy"], "--corpora xx-yy: choose from en-de ja-en x-en si-en"),
        ("table3", ["--scale", "huge"], "--scale huge: give tiny, base or big"),
        ("table3", ["--data", "nowhere"], "--data nowhere: no such folder"),
        ("figure2", ["--data", EXAMPLES], "has none of the folders en-de ja-en x-en"),
        ("figure2", ["--data", EXAMPLES, "--corpora", "en-de"], "train.en: missing or empty"),
        ("figure3", ["--corpora", "en-de"], "only x-en says the language of each line"),
        ("figure3", ["--languages"], "--languages needs a value"),
        ("figure5", ["--line", "0"], "--line 0: give the number of a line"),
    ],
)
def test_wrong_arguments_end_at_once(name, arguments, message, tmp_path):
    failed = script(name, "--output", tmp_path / "out", *arguments, status=2)
    assert failed.stderr.startswith(f"{SCRIPTS[name]}: ")
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert failed.stdout == ""


def test_a_language_or_line_that_the_corpus_lacks_is_told(output, tables):
    found = ["--output", output]
    assert "--languages it: no line of" in script("figure3", *found, "--languages", "ar it", status=2).stderr
    assert "--line 99999: " in script("figure5", *found, "--corpora", "x-en", "--line", "99999", status=2).stderr
