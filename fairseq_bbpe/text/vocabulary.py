"""A BBPE vocabulary: learned and applied by sentencepiece on the alphabet's symbols, written out as fairseq's dict.txt.

A vocabulary of N pieces is the 256 bytes and N-256 merges of them, whatever text it was learned from: nothing is ever
unknown to it. With N = 256 there are no merges, and it is the paper's "byte" vocabulary.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import sentencepiece

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS, bytes_to_symbols, symbols_to_bytes
from fairseq_bbpe.text.learning import sampled, train

# sentencepiece wants a piece for what it cannot spell: ours is never produced, and no bytes can collide with its name.
UNKNOWN = "\u2047"

# A piece so spelled would be taken for fairseq's own symbol unless dict.txt says otherwise.
FAIRSEQ_SPECIALS = frozenset({"<s>", "<pad>", "</s>", "<unk>"})


class Vocabulary:
    """Segments any bytes into pieces and back; `workers` are sentencepiece's threads."""

    # Words kept with their segmentation, at most; about 150 bytes each.
    CACHED_WORDS = 2**18
    # Text with a space at least every so many bytes, such as English or German, is segmented by cached words. Without
    # spaces (Japanese) or with the longer words of many languages too few come again, and whole lines are faster.
    BYTES_PER_SPACE = 8

    def __init__(self, model: bytes, name: str = "the model"):
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise UserError(
                f"{name}: not a sentencepiece model: give a .model file written by 'fairseq-bbpe learn'"
            ) from None
        unknown = self._processor.unk_id()
        self._pieces = [self._processor.id_to_piece(i) for i in range(len(self._processor))]
        self.pieces = self._pieces[:unknown] + self._pieces[unknown + 1 :]
        self._segmented: dict[str, str] = {}
        self._check_alphabet(name)

    def _check_alphabet(self, name: str) -> None:
        # Any other model would add, drop or fold characters; a space inside a piece would defeat the cache of words.
        probe = SPACE * 2 + SYMBOLS + SPACE
        ours = set(SYMBOLS).issubset(self.pieces) and not any(SPACE in piece[1:] for piece in self.pieces)
        if not ours or "".join(self._processor.encode(probe, out_type=str)) != probe:
            raise UserError(
                f"{name}: a sentencepiece model, but not over bytes: give a .model file written by 'fairseq-bbpe learn'"
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Vocabulary":
        """Read a ``.model`` file; raises `UserError` where it is missing or not a byte-level model."""
        try:
            model = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}: give a .model file written by 'fairseq-bbpe learn'") from None
        return cls(model, name=str(path))

    @classmethod
    def learn(
        cls, lines: Iterable[bytes], size: int, *, sample: int = 0, workers: int = 1, verbose: bool = False
    ) -> "Vocabulary":
        """Learn `size` - 256 merges from `lines`, or from `sample` of them drawn evenly (0: all); deterministic.

        Raises `UserError` where `size` is below 256, `learning.TooManyPieces` where the text does not support it.

        >>> vocabulary = Vocabulary.learn([b"banana bandana"] * 9, size=258)
        >>> vocabulary.encode("banana"), vocabulary.pieces[:2]
        ('b an ana', ['an', 'ana'])
        """
        if size < len(SYMBOLS):
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

    def save(self, prefix: str | os.PathLike) -> tuple[Path, Path]:
        """Write ``prefix.model`` and ``prefix.dict.txt``, neither ever half-written, and return their paths."""
        model, dictionary = Path(f"{prefix}.model"), Path(f"{prefix}.dict.txt")
        try:
            with tempfile.TemporaryDirectory(prefix=".fairseq-bbpe-", dir=model.parent) as folder:
                staged_model, staged_dictionary = Path(folder, "model"), Path(folder, "dict.txt")
                staged_model.write_bytes(self.model)
                staged_dictionary.write_text("".join(self.dictionary_lines()), encoding="utf-8", newline="\n")
                os.replace(staged_model, model)
                os.replace(staged_dictionary, dictionary)
        except OSError as error:
            raise UserError(f"{model}: {error.strerror}: give a destination that can be written") from None
        return model, dictionary

    def dictionary_lines(self) -> Iterator[str]:
        """Yield fairseq's dict.txt, ``piece count`` a line in the order of the merges; every count is 1."""
        for piece in self.pieces:
            yield f"{piece} 1 #fairseq:overwrite\n" if piece in FAIRSEQ_SPECIALS else f"{piece} 1\n"

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str | bytes) -> str:
        """Segment one text into pieces joined by spaces."""
        return self.encode_lines([text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text])[0]

    def encode_lines(self, lines: list[bytes], workers: int = 1) -> list[str]:
        """Segment many lines, each into pieces joined by spaces."""
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
            " ".join(map(self._pieces.__getitem__, ids)) for ids in self._processor.encode(symbols, num_threads=workers)
        ]

    @staticmethod
    def decode(pieces: str) -> bytes:
        """Undo `encode`, byte for byte, of any vocabulary: the pieces spell their bytes."""
        return symbols_to_bytes(pieces.replace(" ", ""))
