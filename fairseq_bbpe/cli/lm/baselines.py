"""Print what compressors make of a file, in bits/byte: xz -9, and an adaptive order-5 model of bytes.

Both have read the history files first, as a trained model has, and go on learning while they read the file itself.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.corpus.checks import require_text

EXAMPLE = "fairseq-bbpe lm baselines --history data/train data/valid --input data/test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `baselines`."""
    parser.add_argument("--input", required=True, metavar="FILE", help="the file to compress")
    parser.add_argument("--history", nargs="*", default=[], metavar="FILE", help="what comes before it, in this order")


def run(args: argparse.Namespace) -> None:
    """Compress, and print a line a compressor."""
    import numpy as np

    from fairseq_bbpe.analysis.adaptive_model import adaptive_bits, xz_bits

    for path in (*args.history, args.input):
        require_text(path, "--input" if path == args.input else "--history")
    history = b"".join(Path(path).read_bytes() for path in args.history)
    data = Path(args.input).read_bytes()
    print(f"xz -9, the file alone\t{xz_bits(data):.4f}", flush=True)
    if history:
        print(f"xz -9, after the history\t{xz_bits(data, history):.4f}", flush=True)
    costs = adaptive_bits(np.frombuffer(history + data, np.uint8))
    after = "after the history" if history else "the file alone"
    print(f"adaptive order-5 model, {after}\t{costs[len(history) :].mean():.4f}")
