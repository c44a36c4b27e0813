"""Tokenization premiums and their Gini coefficient, against NumPy and the lines segmented one by one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.analysis.language_costs import count_lengths, gini, premiums
from fairseq_bbpe.analysis.parallel_text import LINES, ParallelText
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies import Vocabulary

COSTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=80)


@given(COSTS)
def test_gini_is_half_the_relative_mean_difference(costs):
    x = np.array(costs)
    assert gini(costs) == pytest.approx(np.abs(x[:, None] - x).mean() / (2 * x.mean()))


@given(COSTS, st.floats(0.1, 10))
def test_gini_is_from_0_to_1_and_has_no_unit(costs, factor):
    assert 0 <= gini(costs) <= 1 - 1 / len(costs) + 1e-12
    assert gini([factor * cost for cost in costs]) == pytest.approx(gini(costs), abs=1e-9)
    assert gini([factor] * len(costs)) == pytest.approx(0, abs=1e-9)


def test_languages_without_a_code_or_a_source():
    assert gini([0, 0]) == 0
    for code in ("", "a\tb"):
        with pytest.raises(UserError, match="--languages: a line holds"):
            premiums({code: Counter(lines=1, source=1, target=1)})


def test_a_language_costs_its_pieces_over_those_of_its_translation(tmp_path):
    codes = ["de", "my", "de", "de"] * (LINES // 3)  # more than one block of lines
    source = ["der Hund", "ခွေး", "", "die Katze"] * (LINES // 3)
    target = ["the dog", "dog", "nothing", "the cat"] * (LINES // 3)
    for name, lines in (("src", source), ("en", target), ("lang", codes)):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    text = ParallelText.of_files(tmp_path / "src", tmp_path / "en", tmp_path / "lang")
    vocabulary = Vocabulary.learn(text.both_sides(), 262)
    counts = count_lengths(text, vocabulary)
    length = {line: len(vocabulary.encode(line).split()) for line in {*source, *target}}
    for language in ("de", "my"):
        rows = [number for number, code in enumerate(codes) if code == language]
        pieces, translated = (sum(length[lines[row]] for row in rows) for lines in (source, target))
        assert counts[language] == {"lines": len(rows), "source": pieces, "target": translated}
        assert premiums(counts)[language] == pieces / translated
    assert set(counts) == {"de", "my"}
