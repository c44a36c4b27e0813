"""Byte-level BPE by tiktoken, which segments twice as fast as sentencepiece and, where it is used here, exactly alike.

Both join, again and again, the two neighbours whose union is the best piece, the leftmost first: sentencepiece by the
pieces' scores, tiktoken by their ranks. With scores that all differ, ranks in their order give the same merges. And a
word that is itself a piece, which tiktoken takes without merging, is the same where every piece is what its own merges
end in: `RankedMerges.of` checks that for each piece, and refuses a model for which any of this does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from fairseq_bbpe.text.alphabet import symbols_to_bytes
from fairseq_bbpe.vocabularies.model_proto import are_normal, is_bpe

try:
    import tiktoken
except ImportError:  # the extra `fast`
    tiktoken = None  # type: ignore[assignment]

# A word with the space before it, as no piece has a space but at its start; a newline; or a space before another.
WORDS = r" ?[^ \n]+|\n| "


class RankedMerges:
    """Segments lines of valid UTF-8; `None` comes back for any other."""

    def __init__(self, ranked: Sequence[str]):
        ranks = {symbols_to_bytes(piece): rank for rank, piece in enumerate(ranked)}
        self._encoding = tiktoken.Encoding("bbpe", pat_str=WORDS, mergeable_ranks=ranks, special_tokens={})
        shown = list(ranked)
        shown[ranks[b"\n"]] = "\n"  # between lines: none holds one
        self._piece_of: Callable[[int], str] = shown.__getitem__

    @classmethod
    def of(cls, processor, model: bytes) -> RankedMerges | None:
        """For sentencepiece's `processor` of a byte-level `model`; None where tiktoken is missing or might differ."""
        if tiktoken is None or not is_bpe(model):
            return None
        normal = are_normal(model)
        numbers = [number for number in range(len(processor)) if normal[number]]
        scores = {processor.get_score(number) for number in numbers}
        own = processor.encode([processor.id_to_piece(number) for number in numbers])
        learned = sum(not processor.is_unknown(number) for number in range(len(processor)))
        if len(numbers) != learned or len(scores) != len(numbers) or own != [[number] for number in numbers]:
            return None
        numbers.sort(key=processor.get_score, reverse=True)
        return cls([processor.id_to_piece(number) for number in numbers])

    def encode_lines(self, lines: Sequence[bytes], workers: int = 1) -> Sequence[str | None]:
        """Segment many lines, each into pieces joined by spaces; None for one that is not UTF-8 or holds a newline."""
        if not lines:
            return []
        block = b"\n".join(lines)
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        if text is None or block.count(b"\n") != len(lines) - 1:
            if len(lines) == 1:
                return [None]
            half = len(lines) // 2
            return [*self.encode_lines(lines[:half], workers), *self.encode_lines(lines[half:], workers)]
        if workers == 1:
            return self._encode(text)
        cuts = [len(lines) * number // workers for number in range(workers + 1)]
        texts = [b"\n".join(lines[start:end]).decode("utf-8") for start, end in pairwise(cuts) if start < end]
        encoded = self._encoding.encode_ordinary_batch(texts, num_threads=workers)
        return [line for tokens in encoded for line in self._lines(tokens)]

    def _encode(self, text: str) -> list[str]:
        return self._lines(self._encoding.encode_ordinary(text))

    def _lines(self, tokens: list[int]) -> list[str]:
        pieces = " ".join(map(self._piece_of, tokens))
        return pieces.replace(" \n", "\n").replace("\n ", "\n").split("\n")
