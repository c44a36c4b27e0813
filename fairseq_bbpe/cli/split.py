"""Split one file by bytes into train, valid and test, in this order: 90, 5 and 5 per cent, as the Hutter Prize data.

The parts are copied as they are, whatever the bytes; a part appears under its name when it is whole.
"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

from fairseq_bbpe.cli.arguments import require_text
from fairseq_bbpe.errors import UserError

SPLITS = ("train", "valid", "test")
BLOCK = 1 << 24  # bytes copied at once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `split`."""
    parser.add_argument("--input", required=True, metavar="FILE", help="any file")
    parser.add_argument("--destdir", required=True, metavar="FOLDER", help="where train, valid and test go")
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


def boundaries(size: int, shares: list[int]) -> list[int]:
    """Offsets at which the parts begin and end; the last part takes what rounding leaves.

    >>> boundaries(100_000_000, [90, 5, 5])
    [0, 90000000, 95000000, 100000000]
    """
    train, valid = size * shares[0] // 100, size * shares[1] // 100
    return [0, train, train + valid, size]


def run(args: argparse.Namespace) -> None:
    """Copy the three parts."""
    require_text(args.input, "--input")
    bounds = boundaries(os.path.getsize(args.input), args.shares)
    if bounds[1] == bounds[0] or bounds[2] - bounds[1] < 2 or bounds[3] - bounds[2] < 2:
        raise UserError(f"--input {args.input}: {bounds[3]} bytes do not fill three parts: give a longer file")
    folder = Path(args.destdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(args.input, "rb") as source, tqdm(total=bounds[3], unit="B", unit_scale=True, disable=None) as bar:
            for name, begin, end in zip(SPLITS, bounds, bounds[1:], strict=False):
                _copy(source, folder / name, end - begin, bar)
                print(f"{folder / name}: {end - begin:,} bytes")
    except OSError as error:
        raise UserError(f"--destdir {args.destdir}: {error.strerror}: give a folder that can be written to") from None


def _copy(source, path: Path, size: int, bar: tqdm) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with open(unfinished, "wb") as part:
            while size:
                block = source.read(min(BLOCK, size))
                part.write(block)
                bar.update(len(block))
                size -= len(block)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
