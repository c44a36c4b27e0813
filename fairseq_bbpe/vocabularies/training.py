"""sentencepiece's trainer as every vocabulary here uses it: text left as it is, lines of any length, interruptible."""

import io
import math
import random
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import sentencepiece

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.model_proto import reordered

# Symbols of the text in which pieces are counted, at most: enough to order them.
_COUNTED = 2**21

# Longest stretch of a line learned from at once, in symbols: sentencepiece's trainer keeps positions in 16 bits.
_STRETCH = 32768


class TooManyPieces(UserError):
    """The text does not support so many pieces: `largest` is the size that it does, for the same kind of vocabulary."""

    def __init__(self, size: int, largest: int):
        super().__init__(
            f"vocabulary size {size}: this text supports at most {largest}: give that or less, or more text"
        )
        self.largest = largest


def train(sentences: Iterable[str], size: int, *, own_pieces: int, workers: int, verbose: bool, **options) -> bytes:
    """Train a sentencepiece model of `size` pieces besides sentencepiece's `own_pieces`, and return it serialised.

    Raises `TooManyPieces` where the text does not support so many, `UserError` where it holds more characters, or none.
    """
    model = io.BytesIO()
    seen = EvenSample(_COUNTED)
    options |= {
        "vocab_size": size + own_pieces,
        "model_writer": model,
        "character_coverage": 1.0,
        "normalization_rule_name": "identity",
        "max_sentence_length": 4 * _STRETCH,  # in bytes
        "num_threads": workers,
        "minloglevel": 0 if verbose else 3,
    }
    try:
        _train_interruptibly(map(seen.add, sentences), options)
    except (RuntimeError, ValueError) as error:
        if re.search(r"!sentences_.empty|all_chars_count", str(error)):
            raise UserError("the training text holds no characters but white space: give more text") from None
        if largest := re.search(r"set it to a value <= (\d+)", str(error)):
            raise TooManyPieces(size, int(largest[1]) - own_pieces) from None
        raise UserError(f"vocabulary size {size}: {_remedy(str(error), own_pieces)}") from None
    return by_frequency(model.getvalue(), seen.lines)


def _remedy(message: str, own_pieces: int) -> str:
    if re.search(r'cannot parse "\d+" as int', message):
        return "no text supports so many pieces: give less, such as 4096"
    if smallest := re.search(r"smaller than required_chars. \d+ vs (\d+)", message):
        return f"this text has more characters: give {int(smallest[1]) - own_pieces} or more"
    return f"sentencepiece could not learn it: {message}"


def _train_interruptibly(sentences: Iterable[str], options: dict) -> None:
    """Train in a worker thread so that the main thread can handle Ctrl-C."""
    interrupted, finished = threading.Event(), threading.Event()
    failures = []

    def stretches() -> Iterator[str]:
        for sentence in sentences:
            if interrupted.is_set():
                return
            for start in range(0, len(sentence), _STRETCH):
                yield sentence[start : start + _STRETCH]

    def run():
        try:
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=stretches(), **options)
        except Exception as error:  # the waiting thread raises it again
            failures.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        finished.wait()  # before Python 3.13 an interrupted `join` takes a running thread for one that has ended
    except BaseException:
        interrupted.set()
        finished.wait(timeout=1)
        raise
    if failures:
        raise failures[0]


def by_frequency(model: bytes, sentences: list[str]) -> bytes:
    """The model with its pieces by descending frequency in segmented `sentences`, after sentencepiece's own pieces.

    fairseq's dictionary takes this order, so that `--adaptive-softmax-cutoff` finds frequent pieces first and last the
    bytes that never stand alone. Pieces that occur equally often keep their order.
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    counts = Counter(chain.from_iterable(processor.encode(sentences)))
    numbers = range(len(processor))
    own = [number for number in numbers if processor.is_unknown(number) or processor.is_control(number)]
    learned = sorted(set(numbers).difference(own), key=lambda number: (-counts[number], number))
    return reordered(model, [*own, *learned])


class EvenSample:
    """Keeps every second, fourth, eighth ... of the lines that pass, so that `lines` stay below `size` symbols."""

    def __init__(self, size: int):
        self.size = size
        self.lines: list[str] = []
        self._step, self._passed, self._kept = 1, 0, 0

    def add(self, line: str) -> str:
        """Take note of a line, and return it."""
        if self._passed % self._step == 0:
            self.lines.append(line)
            self._kept += len(line)
            while self._kept > self.size and len(self.lines) > 1:
                self.lines = self.lines[::2]
                self._step *= 2
                self._kept = sum(map(len, self.lines))
        self._passed += 1
        return line


def sampled(lines: Iterable[bytes], size: int, seed: int = 1) -> list[bytes]:
    """Draw `size` lines evenly in one pass: reservoir sampling that skips ahead (Li 1994, "Algorithm L").

    >>> len(sampled([b"%d" % n for n in range(1000)], 10)), sampled([b"few"], 10)
    (10, [b'few'])
    """
    draw = random.Random(seed).random
    rest = iter(lines)
    reservoir = list(islice(rest, size))
    largest_key = 1.0
    while True:
        largest_key *= (1.0 - draw()) ** (1 / size)
        skip = int(math.log(1.0 - draw()) / math.log1p(-largest_key)) if largest_key < 1.0 else 0
        line = next(islice(rest, skip, None), None)
        if line is None:
            return reservoir
        reservoir[int(draw() * size)] = line
