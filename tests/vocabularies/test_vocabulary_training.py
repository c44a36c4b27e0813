"""sentencepiece's trainer as we use it: interruptible, quiet unless asked, one line for each refusal; even samples."""

import math
import os
import random
import re
import signal
import threading
import time
import tracemalloc
from collections import Counter

import pytest
import sentencepiece

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies import training
from fairseq_bbpe.vocabularies.specification import Specification
from fairseq_bbpe.vocabularies.training import TooManyPieces, sampled, train

TEXT = ["the cat sat on the mat", "the rat sat on the cat", "a cat and a rat"] * 20
BPE = {"own_pieces": 3, "workers": 1, "verbose": False, "model_type": "bpe"}


def pieces(model: bytes) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(len(processor))]


def test_size_is_counted_without_sentencepieces_own():
    assert len(pieces(train(TEXT, 30, **BPE))) == 33
    assert len(pieces(train(TEXT, 30, **{**BPE, "own_pieces": 0}))) == 30


def test_text_is_left_as_it_is():
    """No character is normalised to another, and the rarest are pieces too."""
    rare = "ﬁ①Å\u0041\u030a"
    found = set(pieces(train([*["plain text"] * 5000, rare], 30, **BPE)))
    assert set(rare) <= found


@pytest.mark.parametrize("own", [0, 3])
def test_the_largest_size_that_a_text_supports_is_named_and_works(own):
    options = {**BPE, "own_pieces": own}
    with pytest.raises(TooManyPieces) as refused:
        train(TEXT, 5000, **options)
    largest = refused.value.largest
    assert str(refused.value).startswith(f"vocabulary size 5000: this text supports at most {largest}: ")
    assert len(pieces(train(TEXT, largest, **options))) == largest + own
    with pytest.raises(TooManyPieces):
        train(TEXT, largest + 1, **options)


@pytest.mark.parametrize("own", [0, 3])
def test_the_smallest_size_is_named_and_works(own):
    options = {**BPE, "own_pieces": own}
    with pytest.raises(UserError) as refused:
        train(TEXT, 4, **options)
    smallest = int(re.fullmatch(r".* size 4: this text has more characters: give (\d+) or more", str(refused.value))[1])
    assert len(pieces(train(TEXT, smallest, **options))) == smallest + own
    with pytest.raises(UserError, match=f"give {smallest} or more"):
        train(TEXT, smallest - 1, **options)


@pytest.mark.parametrize("text", [[], [""], ["  ", ""]])
def test_a_text_of_nothing_is_told(text):
    with pytest.raises(UserError, match=r"^the training text holds no characters but white space: give more text$"):
        train(text, 30, **BPE)


def test_what_no_integer_holds_is_told_plainly():
    with pytest.raises(UserError, match=r"^vocabulary size 9{17}: no text supports so many pieces: give less"):
        train(TEXT, 99_999_999_999_999_999, **BPE)


def test_what_we_do_not_know_is_passed_on():
    with pytest.raises(UserError, match=r"^vocabulary size 30: sentencepiece could not learn it: .*nonsense"):
        train(TEXT, 30, **{**BPE, "model_type": "nonsense"})


def test_an_error_of_the_text_is_the_callers():
    def broken():
        yield "the cat"
        raise LookupError("line 2")

    with pytest.raises(Exception, match="line 2"):
        train(broken(), 30, **BPE)


@pytest.mark.parametrize("verbose", [False, True])
def test_sentencepiece_speaks_only_where_asked(verbose, capfd):
    train(TEXT, 30, **{**BPE, "verbose": verbose})
    assert ("trainer_interface" in capfd.readouterr().err) == verbose


def test_workers_are_sentencepieces_threads(monkeypatch):
    asked = {}
    monkeypatch.setattr(training, "by_frequency", lambda model, sentences: model)
    monkeypatch.setattr(sentencepiece.SentencePieceTrainer, "train", lambda **options: asked.update(options))
    train(TEXT, 30, **{**BPE, "workers": 7})
    assert asked["num_threads"] == 7
    assert asked["max_sentence_length"] >= 4 * training._STRETCH  # the longest character has four bytes


@pytest.mark.parametrize("length", [1, training._STRETCH, training._STRETCH + 1, 3 * training._STRETCH])
def test_a_long_line_is_learned_from_in_stretches_that_miss_nothing(length, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "by_frequency", lambda model, sentences: model)
    monkeypatch.setattr(
        sentencepiece.SentencePieceTrainer, "train", lambda sentence_iterator, **_: seen.extend(sentence_iterator)
    )
    line = "".join(random.Random(length).choices("abc", k=length))
    train([line, "end"], 30, **BPE)
    assert "".join(seen) == line + "end"
    assert max(map(len, seen)) <= training._STRETCH < 2**16  # sentencepiece's positions have 16 bits
    assert len(seen) == math.ceil(length / training._STRETCH) + 1


@pytest.fixture
def interrupted():
    """Ctrl-C in a fifth of a second, as a signal that no shell or test runner has taken for itself."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    yield
    timer.join()
    signal.signal(signal.SIGUSR1, previous)


def test_ctrl_c_ends_training_and_its_reading(interrupted):
    """The trainer reads an endless text in C++, where Python sees no signal."""

    lines = []

    def endless():
        while True:
            time.sleep(0.02)
            lines.append("the cat sat")
            yield lines[-1]

    with pytest.raises(KeyboardInterrupt):
        train(endless(), 30, **BPE)
    read = len(lines)
    time.sleep(0.1)
    assert len(lines) == read > 1


def test_ctrl_c_does_not_wait_for_a_text_that_does_not_come(interrupted):
    never = threading.Event()

    def stuck():
        yield "the cat sat"
        never.wait(20)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train(stuck(), 30, **BPE)
    assert time.monotonic() - start < 10
    never.set()


def algorithm_l(lines: list, size: int, seed: int) -> list:
    """Li 1994: W = u^(1/k); skip floor(log(u) / log(1 - W)) items; the next replaces one at random."""
    uniform = random.Random(seed).random
    chosen = lines[:size]
    position, w = size - 1, 1.0
    while True:
        w *= math.exp(math.log(1 - uniform()) / size)
        position += math.floor(math.log(1 - uniform()) / math.log(1 - w)) + 1
        if position >= len(lines):
            return chosen
        chosen[math.floor(uniform() * size)] = lines[position]


@pytest.mark.parametrize(("count", "size"), [(1000, 1), (1000, 10), (50, 49), (50, 50), (50, 60)])
def test_samples_are_those_of_algorithm_l(count, size):
    lines = [b"%d" % number for number in range(count)]
    for seed in range(20):
        assert sampled(iter(lines), size, seed) == algorithm_l(lines, size, seed)
    assert sampled(lines, size) == sampled(lines, size, seed=1)


def test_samples_are_even_and_repeatable():
    lines = [b"%d" % number for number in range(1000)]
    assert sampled(lines, 50) == sampled(lines, 50)
    assert sampled(iter(lines), 2000) == lines
    drawn = Counter(int(line) // 100 for seed in range(60) for line in sampled(lines, 50, seed))
    # 300 expected in each tenth, with a deviation of about 16.
    assert all(230 < drawn[tenth] < 370 for tenth in range(10))
    assert all(len(set(sampled(lines, 50, seed))) == 50 for seed in range(60))


@pytest.mark.parametrize("kind", ["bbpe:300", "bpe:40", "char", "fairseq:300"])
def test_learning_from_a_sample_keeps_no_more_than_the_sample(kind):
    """Memory of Python's; 40,000 lines would be 8 MB and more."""

    def lines():
        for number in range(40_000):
            yield b"%d " % number + b"the cat sat on the mat " * 8

    Specification.parse(kind).vocabulary(lines, sample=50, at_most=True)  # what is imported and cached once
    tracemalloc.start()
    Specification.parse(kind).vocabulary(lines, sample=50, at_most=True)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1_000_000
