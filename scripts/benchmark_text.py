#!/usr/bin/env python3
"""Compare ours with Hugging Face tokenizers and with fairseq's byte_bpe, on one thread and the same text.

Every figure is the best of several runs of the whole text in this process; a ratio above 1 says that ours is faster.
The first 5 MB of --text serve, or the examples' corpus, which is then built in a temporary folder.
Needs fairseq and, for the first comparison, `pip install tokenizers`.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import sentencepiece
from fairseq.data.encoders.byte_bpe import ByteBPE
from fairseq.data.encoders.byte_utils import BYTE_TO_BCHAR, byte_encode, smart_byte_decode
from tokenizers import ByteLevelBPETokenizer

from fairseq_bbpe import Vocabulary
from fairseq_bbpe.text import pieces_to_text, recover
from fairseq_bbpe.text.alphabet import bytes_to_symbols
from fairseq_bbpe.text.lines import BLOCK, read_lines

ROOT = Path(__file__).resolve().parent.parent


def seconds(function: Callable[[], object], repeat: int) -> float:
    """The shortest of `repeat` runs."""
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def report(what: str, ours: float, theirs: float, size: int, aim: str) -> None:
    """Print a comparison: megabytes a second, and the ratio."""
    print(f"{what:<46} {size / ours / 1e6:9.1f} {size / theirs / 1e6:9.3f} MB/s   ratio {theirs / ours:8.2f}  {aim}")


def example_corpus(folder: Path) -> list[Path]:
    """Build the examples' corpus."""
    build = [sys.executable, ROOT / "examples/cldr_corpus.py", "--output", folder]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return [folder / "train.src", folder / "train.en"]


def read(paths: list[Path], megabytes: float) -> list[bytes]:
    """Read lines, as many from each file, `megabytes` together; lines that are not valid UTF-8 are left out."""
    budget = megabytes * 1e6 / len(paths)
    lines = []
    for path in paths:
        size = 0
        for line in read_lines(path):
            size += len(line)
            if size > budget:
                break
            if recover(line).encode() == line:
                lines.append(line)
    return lines


def blocks(lines: list[bytes]) -> list[list[bytes]]:
    """Cut the text into the blocks that the command reads."""
    cut, size = [[]], 0
    for line in lines:
        cut[-1].append(line)
        size += len(line)
        if size > BLOCK:
            cut.append([])
            size = 0
    return cut


def corrupt(data: bytes, share: float, seed: int = 1) -> bytes:
    """Replace a share of the bytes by others, drawn at random."""
    draw = random.Random(seed)
    return bytes(draw.randrange(256) if draw.random() < share else byte for byte in data)


def benchmark_encoding(lines: list[bytes], size: int, repeat: int) -> None:
    """Encode raw lines to pieces joined by spaces, with vocabularies of one size learned from the same lines."""
    total = sum(map(len, lines))
    texts = [line.decode() for line in lines]
    vocabulary = Vocabulary.learn(lines, size)
    cut = blocks(lines)

    def ours():
        fresh = Vocabulary(vocabulary.model)  # an empty cache of words in every run
        for block in cut:
            fresh.encode_lines(block)

    theirs = ByteLevelBPETokenizer()
    theirs.train_from_iterator(texts, vocab_size=size, show_progress=False)
    text_cut = [[line.decode() for line in block] for block in cut]
    model = theirs.to_str()

    def hugging_face():
        fresh = type(theirs._tokenizer).from_str(model)
        for block in text_cut:
            for encoding in fresh.encode_batch(block):
                " ".join(encoding.tokens)

    byte_bpe = object.__new__(ByteBPE)
    with tempfile.TemporaryDirectory() as folder:
        # As in fairseq's examples/byte_level_bpe.
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=map(byte_encode, texts),
            model_prefix=f"{folder}/upstream",
            vocab_size=size,
            model_type="bpe",
            minloglevel=3,
        )
        byte_bpe.sp = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/upstream.model")

    def upstream():
        for text in texts:
            byte_bpe.encode(text)

    our_seconds = seconds(ours, repeat)
    report("encode / tokenizers ByteLevelBPE", our_seconds, seconds(hugging_face, repeat), total, "(aim 2.5)")
    report("encode / fairseq byte_bpe", our_seconds, seconds(upstream, repeat), total, "")
    pieces = sum(line.count(" ") + 1 for line in vocabulary.encode_lines(lines)) / len(lines)
    upstream_pieces = sum(byte_bpe.encode(text).count(" ") + 1 for text in texts) / len(texts)
    print(f"mean pieces a line: ours {pieces:.2f}, fairseq's byte_bpe {upstream_pieces:.2f}")


def benchmark_recovery(lines: list[bytes], repeat: int) -> None:
    """Recover text from symbols, hypothesis by hypothesis, clean and with 1% of the bytes corrupted."""
    for what, share, some, aim in (("clean", 0.0, lines, "(aim 1)"), ("1% corrupted", 0.01, lines[::20], "(aim 50)")):
        data = [corrupt(line, share) if share else line for line in some]
        our_symbols = [bytes_to_symbols(line) for line in data]
        their_symbols = ["".join(map(BYTE_TO_BCHAR.__getitem__, line)) for line in data]
        report(
            f"recover / fairseq smart_byte_decode, {what}",
            seconds(lambda symbols=our_symbols: list(map(pieces_to_text, symbols)), repeat),
            seconds(lambda symbols=their_symbols: list(map(smart_byte_decode, symbols)), repeat),
            sum(map(len, data)),
            aim,
        )


def benchmark_growth(lines: list[bytes], repeat: int) -> None:
    """Recover one hypothesis of 1 kB to 1 MB, 1% corrupted: linear time is the same for every byte."""
    data = corrupt(b" ".join(lines) * (1 + 1_000_000 // sum(map(len, lines))), 0.01)
    for size in (1_000, 10_000, 100_000, 1_000_000):
        symbols = bytes_to_symbols(data[:size])
        best = seconds(lambda symbols=symbols: pieces_to_text(symbols), repeat * 3)
        print(f"recover {size:>9,} bytes, 1% corrupted: {best * 1e3:8.3f} ms, {best / size * 1e9:6.1f} ns a byte")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", metavar="FILE", help="raw text (default: the examples' corpus)")
    parser.add_argument("--megabytes", type=float, default=5.0, metavar="MB", help="text to use (default: %(default)s)")
    parser.add_argument("--vocab-size", type=int, default=4096, metavar="N", help="pieces (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of which the best counts (default: 3)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = read(args.text or example_corpus(Path(folder, "corpus")), args.megabytes)
    print(f"{sum(map(len, lines)) / 1e6:.2f} MB in {len(lines)} lines; columns: ours, theirs, times as fast")
    benchmark_encoding(lines, args.vocab_size, args.repeat)
    benchmark_recovery(lines, args.repeat)
    benchmark_growth(lines, args.repeat)


if __name__ == "__main__":
    main()
