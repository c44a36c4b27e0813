"""Split one file by bytes into train, valid and test, in this order: 90, 5 and 5 per cent, as the Hutter Prize data.

The parts are copied as they are, whatever the bytes; a part appears under its name when it is whole.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_output, add_renamed
from fairseq_bbpe.corpus.byte_splits import split_bytes
from fairseq_bbpe.corpus.checks import require_text

EXAMPLE = "fairseq-bbpe lm split --input enwik8 --output data/enwik8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `split`."""
    parser.add_argument("--input", required=True, metavar="FILE", help="any file")
    add_output(parser, "FOLDER", "where train, valid and test go", "/train", "/valid", "/test")
    add_renamed(parser, "--destdir", "--output")
    parser.add_argument(
        "--shares",
        type=_shares,
        default="90,5,5",
        metavar="A,B,C",
        help="per cent of the bytes for train, valid and test (default: %(default)s)",
    )


def _shares(text: str) -> list[int]:
    shares = [int(share) for share in text.split(",") if share.isdecimal()]
    if len(shares) != 3 or sum(shares) != 100 or min(shares) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give three whole numbers that add up to 100, such as 90,5,5")
    return shares


def run(args: argparse.Namespace) -> None:
    """Copy the three parts."""
    require_text(args.input, "--input")
    for path, size in split_bytes(args.input, Path(args.output), args.shares):
        print(f"{path}: {size:,} bytes")
