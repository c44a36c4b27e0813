"""What compressors make of a file, to hold beside a trained model: `xz -9`, and an adaptive order-5 byte model."""

from __future__ import annotations

import lzma

import numpy as np

DISCOUNT = 0.75


def xz_bits(data: bytes, history: bytes = b"") -> float:
    """Bits a byte that `xz -9` adds to compressed `history` for `data` after it."""
    primed = len(lzma.compress(history + data, preset=9))
    return 8 * (primed - (len(lzma.compress(history, preset=9)) if history else 0)) / len(data)


def adaptive_bits(data: np.ndarray, order: int = 5) -> np.ndarray:
    """Bits that each byte of `data` (N, uint8) costs under a model that has counted the bytes before it, and no others.

    From order 0 up, the model interpolates: in a context seen n times, t different bytes after it, a byte seen c times
    there gets (max(c - D, 0) + D * t * lower) / n, with D = 0.75 and `lower` its probability one order below; below
    order 0 that is 1/256. So all 256 bytes have probabilities that sum to 1, and arithmetic coding reaches the figure.
    All is sorting: no loop over bytes, about 150 bytes of memory for each.

    >>> adaptive_bits(np.frombuffer(b"ab" * 50, np.uint8)).round(2)[[0, 1, -1]].tolist()
    [8.0, 8.42, 0.0]
    """
    size = len(data)
    # The text begins as if after `order` NUL bytes.
    padded = np.concatenate([np.zeros(order, np.uint8), data])
    probability = np.full(size, 1 / 256)
    in_order = np.arange(size)  # positions sorted by context, those of one context in the order of the text
    context = np.zeros(size, np.int64)
    for length in range(order + 1):
        # A context and its byte are the next position's context of the next order, plus an older byte.
        gram = context << 8 | data
        seen_here = _rank(context, in_order)
        by_gram = in_order[np.argsort(data[in_order], kind="stable")]
        # Equal bytes are now together, and within them equal contexts: one group a gram.
        count = _rank(gram, by_gram)
        different = _earlier(count == 0, seen_here, in_order)
        known = seen_here > 0
        kept = np.maximum(count[known] - DISCOUNT, 0)
        escape = DISCOUNT * different[known]
        probability[known] = (kept + escape * probability[known]) / seen_here[known]
        if length < order:
            # Contexts of the next order: stable sorts by one byte each, the most recent first, the oldest last.
            older = padded[order - length - 1 : order - length - 1 + size]
            context = context | older.astype(np.int64) << 8 * length
            in_order = in_order[np.argsort(older[in_order], kind="stable")]
    return -np.log2(probability)


def _rank(group: np.ndarray, in_order: np.ndarray) -> np.ndarray:
    """How many positions of the same group come before each position."""
    grouped = group[in_order]
    place = np.arange(len(group))
    first = np.concatenate([[True], grouped[1:] != grouped[:-1]])
    rank = np.empty_like(place)
    rank[in_order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return rank


def _earlier(flag: np.ndarray, rank: np.ndarray, in_order: np.ndarray) -> np.ndarray:
    """How many positions of the same group, earlier than each position, have the flag."""
    before = np.concatenate([[0], np.cumsum(flag[in_order])])
    place = np.arange(len(flag))
    earlier = np.empty_like(place)
    earlier[in_order] = before[place] - before[place - rank[in_order]]
    return earlier
