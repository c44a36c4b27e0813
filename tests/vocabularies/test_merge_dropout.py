"""Segmentation with merges left out at random, against sentencepiece, a literal Algorithm 1, and itself elsewhere."""

import subprocess
import sys
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe import Vocabulary
from fairseq_bbpe.vocabularies.merge_dropout import segment_with_dropout

LINES = [line.encode() for line in ("the cat sat on the mat", "die Katze saß", "猫はマットの上に座った", "aaaa aaa aa")]
VOCABULARY = Vocabulary.learn(LINES * 9, size=310)


@given(line=st.one_of(st.sampled_from(LINES), st.binary(max_size=80), st.text("aetchs ", max_size=40).map(str.encode)))
def test_with_no_dropout_it_is_the_vocabulary_s_own_segmentation(line):
    (pieces,) = VOCABULARY.encode_lines_by_sentencepiece([line])
    for start in (pieces.split(), list("".join(pieces.split()))):
        assert VOCABULARY.resegment(start, 0.0, seed=3) == pieces.split()


def literally(word: str, ranks: dict[str, int], dropout: float, random: Random) -> list[str]:
    """Algorithm 1 of the paper, line by line, on one word."""
    split = list(word)
    while True:
        merges = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(split)) if a + b in ranks]
        merges = [merge for merge in merges if not random.random() < dropout]
        if not merges:
            return split
        _, i = min(merges)
        split = split[:i] + [split[i] + split[i + 1]] + split[i + 2 :]


@given(
    word=st.text("abc", min_size=1, max_size=12), dropout=st.sampled_from([0.0, 0.1, 0.5, 0.9]), seed=st.integers(0, 99)
)
def test_it_is_algorithm_1(word, dropout, seed):
    ranks = {"ab": 0, "bc": 1, "abc": 2, "ca": 3, "abab": 4, "aa": 5}
    assert segment_with_dropout(word, ranks, dropout, Random(seed)) == literally(word, ranks, dropout, Random(seed))


@given(words=st.lists(st.text("ab", max_size=6), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_the_words_of_a_line_are_drawn_one_after_another(words, seed):
    """Algorithm 1 is of a word; a word of a line has the space before it."""
    ranks = {"ab": 0, "▁a": 1, "▁ab": 2, "aa": 3}
    random = Random(seed)
    expected = [
        piece for word in ["a", *(f"▁{word}" for word in words)] for piece in literally(word, ranks, 0.5, random)
    ]
    assert segment_with_dropout("a▁" + "▁".join(words), ranks, 0.5, Random(seed)) == expected


def test_more_dropout_gives_more_pieces_of_the_same_bytes():
    (pieces,) = VOCABULARY.encode_lines(LINES[:1])
    lengths = []
    for dropout in (0.0, 0.1, 0.5, 1.0):
        drawn = [VOCABULARY.resegment(pieces.split(), dropout, seed) for seed in range(200)]
        assert {Vocabulary.decode(" ".join(row)) for row in drawn} == {LINES[0]}
        lengths.append(sum(map(len, drawn)) / len(drawn))
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == len(LINES[0])


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_another_process_draws_the_same(seed, tmp_path):
    VOCABULARY.save(tmp_path / "v")
    (pieces,) = VOCABULARY.encode_lines(LINES[2:3])
    program = "import sys; from fairseq_bbpe import Vocabulary as V; v = V.load(sys.argv[1]); "
    program += "print(' '.join(v.resegment(sys.argv[3].split(), 0.3, int(sys.argv[2]))))"
    command = [sys.executable, "-c", program, tmp_path / "v.model", str(seed), pieces]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert drawn == VOCABULARY.resegment(pieces.split(), 0.3, seed)
