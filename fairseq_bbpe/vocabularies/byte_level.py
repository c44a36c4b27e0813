"""A BBPE vocabulary: learned and applied by sentencepiece on the alphabet's symbols, written out as fairseq's dict.txt.

A vocabulary of N pieces is the 256 bytes and N-256 merges of them, whatever text it was learned from: nothing is ever
unknown to it. With N = 256 there are no merges, and it is the paper's "byte" vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from pathlib import Path
from random import Random

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS, bytes_to_symbols, symbols_to_bytes
from fairseq_bbpe.vocabularies.merge_dropout import segment_with_dropout
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.ranked_merges import RankedMerges
from fairseq_bbpe.vocabularies.training import sampled, train

# sentencepiece wants a piece for what it cannot spell: ours is never produced, and no bytes can collide with its name.
UNKNOWN = "\u2047"


class Vocabulary(SubwordVocabulary):
    """Segments any bytes into pieces and back; `workers` are threads.

    Raises:
        UserError: the model is none over the bytes' symbols.
    """

    FILE = "bbpe.model"

    # Words kept with their segmentation, at most; about 150 bytes each.
    CACHED_WORDS = 2**18
    # Text with a space at least every so many bytes, such as English or German, is segmented by cached words. Without
    # spaces (Japanese) or with the longer words of many languages too few come again, and whole lines are faster.
    BYTES_PER_SPACE = 8

    def __init__(self, model: bytes, name: str = "the model"):
        super().__init__(model, name)
        self._segmented: dict[str, str] = {}
        self._check_alphabet()

    def _check_alphabet(self) -> None:
        # Any other model would add, drop or fold characters; a space inside a piece would defeat the cache of words.
        probe = SPACE * 2 + SYMBOLS + SPACE
        ours = set(SYMBOLS).issubset(self.pieces) and not any(SPACE in piece[1:] for piece in self.pieces)
        if not ours or "".join(self._processor.encode(probe, out_type=str)) != probe:
            raise UserError(
                f"{self.name}: a sentencepiece model, but not over bytes:"
                " give a .model file written by 'fairseq-bbpe learn'"
            )

    @classmethod
    def learn(
        cls, lines: Iterable[bytes], size: int | None, *, sample: int = 0, workers: int = 1, verbose: bool = False
    ) -> Vocabulary:
        """Learn `size` - 256 merges from `lines`, or from `sample` of them drawn evenly (0: all); deterministic.

        Raises `UserError` where `size` is below 256, `training.TooManyPieces` where the text does not support it.

        >>> vocabulary = Vocabulary.learn([b"banana bandana"] * 9, size=258)
        >>> vocabulary.encode("banana"), vocabulary.pieces[:2]
        ('b an ana', ['b', 'an'])
        """
        if size is None or size < len(SYMBOLS):
            raise UserError(f"vocabulary size {size}: a byte-level vocabulary holds all 256 bytes, so give 256 or more")
        if size == len(SYMBOLS):
            lines = ()  # no merges: nothing to learn
        if sample:
            lines = sampled(lines, sample)
        model = train(
            chain(SYMBOLS, map(bytes_to_symbols, lines)),  # each symbol once, so that none is missing
            size,
            own_pieces=1,
            workers=workers,
            verbose=verbose,
            model_type="bpe",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            max_sentencepiece_length=128,  # a symbol counts as a character: the default, 16, is 5 Japanese ones
            unk_id=0,
            unk_piece=UNKNOWN,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
        )
        return cls(model)

    def encode(self, text: str | bytes) -> str:
        """Segment one text into pieces joined by spaces."""
        return self.encode_lines([text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text])[0]

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces: by tiktoken where that is sure to be the same."""
        if self._merges is None:
            return self.encode_lines_by_sentencepiece(lines, workers)
        encoded = self._merges.encode_lines(lines, workers)
        left = [line for line, pieces in zip(lines, encoded, strict=True) if pieces is None]
        others = iter(self.encode_lines_by_sentencepiece(left, workers))
        return [next(others) if pieces is None else pieces for pieces in encoded]

    @cached_property
    def _merges(self) -> RankedMerges | None:
        return RankedMerges.of(self._processor, self.model)

    @property
    def merge_order(self) -> list[str]:
        """The pieces in the order in which merges prefer them; `pieces` may be in another, by frequency."""
        number_of = self._processor.piece_to_id
        return sorted(self.pieces, key=lambda piece: -self._processor.get_score(number_of(piece)))

    def encode_lines_by_sentencepiece(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines without tiktoken: the reference that `encode_lines` equals."""
        symbols = [bytes_to_symbols(line) for line in lines]
        spaces = sum(line.count(SPACE) for line in symbols)
        if spaces * self.BYTES_PER_SPACE < sum(map(len, symbols)):
            return self._segment(symbols, workers)
        # No piece has a space but at its start, so words segment alone as in their line; and most were seen before.
        words = [line.replace(SPACE, " " + SPACE).split() for line in symbols]
        unseen = list(set(chain.from_iterable(words)).difference(self._segmented))
        if len(unseen) + len(self._segmented) > self.CACHED_WORDS:
            self._segmented.clear()
            unseen = list(set(chain.from_iterable(words)))
        self._segmented.update(zip(unseen, self._segment(unseen, workers), strict=True))
        return [" ".join(map(self._segmented.__getitem__, line)) for line in words]

    def _segment(self, symbols: list[str], workers: int) -> list[str]:
        return [
            " ".join(map(self._all_pieces.__getitem__, ids))
            for ids in self._processor.encode(symbols, num_threads=workers)
        ]

    def resegment(self, pieces: list[str], dropout: float, seed: int) -> list[str]:
        """Segment the bytes of `pieces` anew, in each step every merge left out with probability `dropout`.

        The same for the same `seed`, in any process (`merge_dropout`).
        """
        return segment_with_dropout("".join(pieces), self._ranks, dropout, Random(seed))

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """The rank of every piece that a merge makes: sentencepiece prefers the highest score."""
        merged = [number for number, piece in enumerate(self._all_pieces) if len(piece) > 1]
        merged.sort(key=self._processor.get_score, reverse=True)
        return {self._all_pieces[number]: rank for rank, number in enumerate(merged)}

    @staticmethod
    def decode(pieces: str) -> bytes:
        """Undo `encode`, byte for byte, of any vocabulary: the pieces spell their bytes."""
        return symbols_to_bytes(pieces.replace(" ", ""))

    def spell(self, piece: str) -> bytes:
        """The bytes of one piece."""
        return symbols_to_bytes(piece)

    @staticmethod
    def fairseq_flags(path: str | Path) -> list[str]:
        """`--bpe bbpe`, this plugin's."""
        return ["--bpe", "bbpe", "--bbpe-model", str(path)]

    @staticmethod
    def validation_flags() -> list[str]:
        """`--eval-bleu` on recovered text."""
        return ["--eval-bleu", "--eval-bleu-detok", "bbpe_recovery"]

    @staticmethod
    def task_flags() -> list[str]:
        """`--task translation_bbpe`, this plugin's."""
        return ["--task", "translation_bbpe"]
