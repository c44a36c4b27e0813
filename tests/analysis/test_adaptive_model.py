"""The compressors beside the language models: the adaptive model is what counting gives, and xz uses its history."""

import collections
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.analysis import adaptive_model


def adaptive_bits_by_counting(data: bytes, order: int) -> list[float]:
    """The adaptive model as its docstring says it, one byte after another."""
    counts = [collections.defaultdict(collections.Counter) for _ in range(order + 1)]
    text, bits = bytes(order) + data, []
    for i in range(order, len(text)):
        probability = 1 / 256
        for length, seen in enumerate(counts):
            here = seen[text[i - length : i]]
            if here:
                kept = max(here[text[i]] - adaptive_model.DISCOUNT, 0)
                escape = adaptive_model.DISCOUNT * len(here) * probability
                probability = (kept + escape) / here.total()
        for length, seen in enumerate(counts):
            seen[text[i - length : i]][text[i]] += 1
        bits.append(-math.log2(probability))
    return bits


@given(data=st.binary(min_size=1, max_size=50) | st.text("ab\0", min_size=1, max_size=200).map(str.encode))
def test_the_adaptive_model_equals_counting(data):
    found = adaptive_model.adaptive_bits(np.frombuffer(data, np.uint8))
    np.testing.assert_allclose(found, adaptive_bits_by_counting(data, order=5))


def test_history_helps_xz():
    line = np.random.default_rng(0).bytes(2000)
    assert adaptive_model.xz_bits(line) > 8
    assert adaptive_model.xz_bits(line, history=line) < 1
