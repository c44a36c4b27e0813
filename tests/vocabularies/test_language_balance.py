"""Temperature sampling of languages: its formula, what is drawn from files, and `fairseq-bbpe learn --balance`."""

from collections import Counter

import numpy as np
import pytest
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies import Vocabulary
from fairseq_bbpe.vocabularies.language_balance import balanced_lines, copies_of_a_line

LINES = {"de": 9000, "fi": 900, "my": 100}


@given(st.dictionaries(st.text(), st.integers(1, 10**9), min_size=1, max_size=60), st.floats(1, 100))
def test_shares_are_to_the_power_of_one_over_t_and_lines_as_many(lines, temperature):
    counts = np.array([*lines.values()])
    drawn = np.array([*copies_of_a_line(lines, temperature).values()]) * counts
    expected = (counts / counts.sum()) ** (1 / temperature)
    np.testing.assert_allclose(drawn / drawn.sum(), expected / expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(drawn.sum(), counts.sum(), rtol=1e-9)


@given(st.dictionaries(st.text(), st.integers(1, 10**9), min_size=1))
def test_t_of_1_is_exactly_the_text(lines):
    assert set(copies_of_a_line(lines, 1).values()) == {1.0}


@pytest.fixture
def files(tmp_path):
    """A text of three languages in turn, the language of each line, and a text of one language."""
    text = [f"{language} {number}" for language, count in LINES.items() for number in range(count)]
    text = [text[place] for place in np.random.default_rng(1).permutation(len(text))]
    paths = [tmp_path / name for name in ("text", "lang", "en")]
    for path, lines in zip(paths, (text, [line.split()[0] for line in text], ["en"] * 10_000), strict=True):
        path.write_text("".join(line + "\n" for line in lines))
    return paths


def test_t_of_1_keeps_every_line_in_its_place(files):
    text, languages, english = files
    expected = text.read_bytes().splitlines() + english.read_bytes().splitlines()
    assert list(balanced_lines([text, english], [languages], 1)) == expected


def test_what_is_drawn_has_the_formulas_shares_and_comes_evenly_from_each_language(files):
    text, languages, english = files
    drawn = list(balanced_lines([text, english], [languages], 5))
    assert drawn == list(balanced_lines([text, english], [languages], 5))
    assert drawn != list(balanced_lines([text, english], [languages], 5, seed=2))
    powers = {language: count ** (1 / 5) for language, count in {**LINES, "en": 10_000}.items()}
    found = Counter(line.split()[0].decode() for line in drawn)
    for language, power in powers.items():
        expected = 20_000 * power / sum(powers.values())
        assert abs(found[language] - expected) < 4 * 50  # at most 10,000 draws of one more or not: a deviation of 50
    # No line comes once more than another of its language than rounding makes it, and none of a small one is missing.
    times = Counter(line for line in drawn if line.startswith(b"my"))
    assert len(times) == 100
    assert max(times.values()) - min(times.values()) == 1
    halves = Counter(int(line.split()[1]) < 4500 for line in drawn if line.startswith(b"de"))
    assert abs(halves[True] - halves[False]) < 4 * 100


def test_files_of_one_language_each_need_no_labels(files):
    text, _, english = files
    found = Counter(line[:2] == b"en" for line in balanced_lines([text, english, english], [], float("inf")))
    assert abs(found[True] - 20_000) < 200


@pytest.mark.parametrize(
    ("inputs", "labels", "temperature", "message"),
    [
        ("ab", "l", 0.5, "--balance 0.5: give 1, which"),
        ("ab", "l", float("nan"), "--balance nan: give 1, which"),
        ("c", "l", 5, r"c has 2 lines, .*l has 3: give the language of every line"),
        ("a", "e", 5, r"--languages .*e: line 2 is empty: give"),
        ("a", "a", 5, "--balance: all lines are of one language: give --languages FILE"),
        ("a", "", 5, "--balance: all lines are of one language: give --languages FILE"),
        ("a", "ll", 5, "--languages: 2 files for 1 of --input: give at most one for each"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_line_is_drawn(tmp_path, inputs, labels, temperature, message):
    for name, content in {"a": "x\nx\nx\n", "b": "y\n", "c": "x\nx", "l": "de\nfr\nde\n", "e": "de\n \nde"}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        balanced_lines([tmp_path / name for name in inputs], [tmp_path / name for name in labels], temperature)


def test_a_small_language_gets_merges_by_the_command(tmp_path):
    words = {"de": b"der die das und ist nicht", "my": "မြန်မာ".encode()}
    (tmp_path / "text").write_bytes((words["de"] + b"\n") * 500 + (words["my"] + b"\n") * 2)
    (tmp_path / "lang").write_text("de\n" * 500 + "my\n" * 2)

    def pieces(*arguments):
        files = ["--input", tmp_path / "text", "--output", tmp_path / "v"]
        run("fairseq-bbpe", "learn", *files, "--vocab-size", "270", *arguments)
        model = (tmp_path / "v.model").read_bytes()
        return len(Vocabulary(model).encode(words["my"]).split()), model

    balance = ["--languages", tmp_path / "lang", "--balance"]
    plain, balanced, again, as_it_stands = (pieces(*a) for a in ([], [*balance, "5"], [*balance, "5"], [*balance, "1"]))
    assert plain[0] == len(words["my"]) > balanced[0]
    assert balanced == again
    assert as_it_stands == plain
    assert pieces(*balance, "5", "--sample", "50")[0] < plain[0]
    assert len(Vocabulary(pieces(*balance, "5", "--at-most", "--vocab-size", "9999")[1])) < 400
    files = ["--input", tmp_path / "text", "--output", tmp_path / "w", "--vocab-size", "270", *balance[:2]]
    said = run("fairseq-bbpe", "learn", *files, status=2).stderr
    assert said == "fairseq-bbpe: error: --languages: only --balance needs them: give --balance 5, or leave them out\n"
    said = run("fairseq-bbpe", "learn", *files, "--balance", "0", status=2).stderr
    assert said == "fairseq-bbpe: error: --balance 0: give 1, which leaves the text as it stands, or more, such as 5\n"
    assert not list(tmp_path.glob("w*"))
