"""The embedded corpus: what the quick start promises of it, on a small draw of all its languages."""

import importlib.util
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "examples" / "cldr_corpus.py"
PARTS = ("train", "valid", "test")
SMALL = ["--pairs", "2400", "--held-out", "200"]

sys.path.insert(0, str(SCRIPT.parent))  # as where the script is run
spec = importlib.util.spec_from_file_location("cldr_corpus", SCRIPT)
cldr = importlib.util.module_from_spec(spec)
sys.modules["cldr_corpus"] = cldr
spec.loader.exec_module(cldr)
import cldr_phrases  # noqa: E402


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def lines(folder, name):
    text = (folder / name).read_text(encoding="utf-8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cldr") / "corpus"
    done = run("--output", folder, *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_sides_are_aligned(corpus):
    counts = json.loads((corpus / cldr.MANIFEST).read_text(encoding="utf-8"))
    for part in (*PARTS, "unseen"):
        assert {len(lines(corpus, f"{part}.{side}")) for side in ("src", "en", "lang")} == {counts[f"{part} lines"]}
        assert all(line.strip() for side in ("src", "en") for line in lines(corpus, f"{part}.{side}"))


def test_no_sentence_of_either_side_is_in_two_parts(corpus):
    sentences = {part: {*lines(corpus, f"{part}.src"), *lines(corpus, f"{part}.en")} for part in PARTS}
    for one, other in combinations(PARTS, 2):
        assert not sentences[one] & sentences[other]


def test_a_source_has_one_english(corpus):
    pairs = {
        pair for part in PARTS for pair in zip(lines(corpus, f"{part}.src"), lines(corpus, f"{part}.en"), strict=True)
    }
    assert len({source for source, _ in pairs}) == len(pairs)
    assert all(source != english for source, english in pairs)


def test_every_english_word_of_the_test_set_was_in_training(corpus):
    def letters_only(name):
        return {word.strip(",") for line in lines(corpus, name) for word in line.split() if word.strip(",").isalpha()}

    assert letters_only("test.en") <= letters_only("train.en")


def test_languages_and_scripts(corpus):
    for part in PARTS:
        assert len(set(lines(corpus, f"{part}.lang"))) >= 20
        # The Japanese write in three scripts and a lengthening mark: one writing system.
        assert len(cldr.scripts("".join(lines(corpus, f"{part}.src"))) - {"HIRAGANA", "KATAKANA", "MODIFIER"}) >= 12


def test_the_unseen_script_is_in_no_other_part(corpus):
    unseen = cldr.scripts("".join(lines(corpus, "unseen.src")))
    assert unseen
    for part in PARTS:
        assert not unseen & cldr.scripts("".join(lines(corpus, f"{part}.src") + lines(corpus, f"{part}.en")))


def test_most_words_cannot_be_copied(corpus):
    pairs = [cldr.Pair("", *pair) for pair in zip(lines(corpus, "test.src"), lines(corpus, "test.en"), strict=True)]
    assert 0 < cldr.copied(pairs) < 0.3


def test_the_same_options_give_the_same_bytes(corpus, tmp_path):
    assert run("--output", tmp_path / "again", *SMALL).returncode == 0
    names = sorted(path.name for path in corpus.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (corpus / name).read_bytes()


def test_another_seed_gives_other_sentences(corpus, tmp_path):
    assert run("--output", tmp_path / "other", *SMALL, "--seed", 2).returncode == 0
    assert (tmp_path / "other" / "test.src").read_bytes() != (corpus / "test.src").read_bytes()


def test_a_corpus_that_is_there_is_left_alone(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.iterdir()}
    done = run("--output", corpus, *SMALL)
    assert done.returncode == 0
    assert "already built" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in corpus.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "de xx"], "'xx'"),
        (["--languages", "en", "--pairs", "20", "--held-out", "2"], "'en'"),
        (["--held-out", "0"], "--held-out 0"),
        (["--pairs", "100", "--held-out", "10"], "--pairs 100"),
        (["--languages", "de", "--pairs", "10", "--held-out", "1", "--unseen", "en_US"], "'en_US'"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(tmp_path, arguments, message):
    done = run("--output", tmp_path / "corpus", *SMALL, *arguments)
    assert done.returncode != 0
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_other_folders_and_other_options_are_refused(corpus, tmp_path):
    (tmp_path / "letter").write_text("mine")
    assert str(tmp_path) in run("--output", tmp_path, *SMALL).stderr
    assert "other options" in run("--output", corpus, *SMALL, "--seed", 2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


@given(st.randoms(use_true_random=False), st.sampled_from(cldr.LANGUAGES.split()), st.sampled_from(cldr.KINDS))
def test_no_code_stands_in_for_a_translation(rng, language, kind):
    pair = cldr.say_pair(kind(rng), language)
    if pair is not None:
        codes = {*cldr_phrases.CURRENCIES, *cldr_phrases.UNITS, *(f"duration-{span}" for span in cldr_phrases.SPANS)}
        assert not any(code in pair.source or code in pair.english for code in codes)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcxyz"), st.sampled_from("xyza"))))
def test_unambiguous(triples):
    kept = cldr.unambiguous([cldr.Pair(*triple) for triple in triples])
    assert len({pair.source for pair in kept} & {pair.english for pair in kept}) == 0
    assert len({pair.source for pair in kept}) == len({(pair.source, pair.english) for pair in kept})
    assert len(set(kept)) == len(kept)
