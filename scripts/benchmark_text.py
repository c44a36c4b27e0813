#!/usr/bin/env python3
"""Speed of encoding and recovery beside other programs, on one thread and the same text.

Every figure is the best of several runs of the whole text in this process; a ratio above 1 says that ours is faster.
The first 5 MB of --text serve, or the examples' corpus, which is then built in a temporary folder.
Needs fairseq and `pip install .[bench]`.
"""

import argparse
import base64
import contextlib
import io
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
import tiktoken
from fairseq.data.encoders.byte_bpe import ByteBPE
from fairseq.data.encoders.byte_utils import BYTE_TO_BCHAR, byte_encode, smart_byte_decode
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe
from tokenizers import ByteLevelBPETokenizer

from fairseq_bbpe import Vocabulary
from fairseq_bbpe.export.tokenizer_files import tiktoken_ranks
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
    total, texts = sum(map(len, lines)), [line.decode() for line in lines]
    cut = blocks(lines)
    text_cut = [[line.decode() for line in block] for block in cut]
    vocabulary = Vocabulary.learn(lines, size)
    encoders: dict[str, Callable[[], int]] = {}  # each runs over all lines, and returns how many pieces it made

    def ours() -> int:
        fresh = Vocabulary(vocabulary.model)  # an empty cache of words in every run
        return sum(line.count(" ") + 1 for block in cut for line in fresh.encode_lines(block))

    encoders["ours"] = ours
    with tempfile.TemporaryDirectory() as folder:
        symbols = [bytes_to_symbols(line) for line in lines]
        ranks = tiktoken_encoding(vocabulary)
        processor = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model)
        encoders["sentencepiece, our model, text as symbols already"] = lambda: sum(
            line.count(" ") + 1 for line in (" ".join(processor.encode(symbol, out_type=str)) for symbol in symbols)
        )
        encoders["tiktoken, our pieces as ranks, to ids"] = lambda: sum(
            len(ranks.encode_ordinary(text)) for text in texts
        )
        encoders["tokenizers, ByteLevelBPE of its own"] = huggingface(texts, text_cut, size)
        encoders["subword-nmt, BPE over characters"] = subword_nmt(texts, size)
        encoders["fairseq's byte_bpe, its own recipe"] = byte_bpe(texts, size, folder)
        print("| encoder | MB/s | times ours | pieces a line |\n|---|---:|---:|---:|")
        best = {}
        for name, encode in encoders.items():
            pieces = encode()
            best[name] = seconds(encode, repeat)
            row = f"| {name} | {total / best[name] / 1e6:.2f} | {best['ours'] / best[name]:.2f} |"
            print(f"{row} {pieces / len(lines):.2f} |", flush=True)
    print()


def tiktoken_encoding(vocabulary: Vocabulary) -> tiktoken.Encoding:
    """Our vocabulary as `fairseq-bbpe export tokenizers --format tiktoken` writes it."""
    rows = (line.split() for line in tiktoken_ranks(vocabulary).splitlines())
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in rows}
    return tiktoken.Encoding("bbpe", pat_str=" [^ ]*|[^ ]+", mergeable_ranks=ranks, special_tokens={})


def huggingface(texts: list[str], text_cut: list[list[str]], size: int) -> Callable[[], int]:
    """The byte-level BPE of Hugging Face `tokenizers`, learned by itself."""
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(texts, vocab_size=size, show_progress=False)
    model = learned.to_str()

    def encode() -> int:
        fresh = type(learned._tokenizer).from_str(model)
        lines = (" ".join(encoding.tokens) for block in text_cut for encoding in fresh.encode_batch(block))
        return sum(line.count(" ") + 1 for line in lines)

    return encode


def subword_nmt(texts: list[str], size: int) -> Callable[[], int]:
    """Merges over characters, as papers of NMT have used since Sennrich et al. (2016)."""
    codes = io.StringIO()
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        learn_bpe(texts, codes, size, is_dict=False)
    merges = codes.getvalue()

    def encode() -> int:
        fresh = BPE(io.StringIO(merges))
        return sum(fresh.process_line(text).count(" ") + 1 for text in texts)

    return encode


def byte_bpe(texts: list[str], size: int, folder: str) -> Callable[[], int]:
    """The paper's own encoder, learned as fairseq's examples/byte_level_bpe does."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=map(byte_encode, texts),
        model_prefix=f"{folder}/upstream",
        vocab_size=size,
        model_type="bpe",
        minloglevel=3,
    )
    encoder = object.__new__(ByteBPE)
    encoder.sp = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/upstream.model")
    return lambda: sum(encoder.encode(text).count(" ") + 1 for text in texts)


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
