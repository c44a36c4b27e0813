"""One file of any bytes -> train, valid and test, in this order, as the Hutter Prize data is split."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fairseq_bbpe.corpus.staging import replacing_file
from fairseq_bbpe.errors import UserError

SPLITS = ("train", "valid", "test")
BLOCK = 1 << 24  # bytes copied at once


def boundaries(size: int, shares: Sequence[int]) -> list[int]:
    """Offsets at which the parts begin and end; the last part takes what rounding leaves.

    >>> boundaries(100_000_000, [90, 5, 5])
    [0, 90000000, 95000000, 100000000]
    """
    train, valid = size * shares[0] // 100, size * shares[1] // 100
    return [0, train, train + valid, size]


def split_bytes(path: str | Path, folder: Path, shares: Sequence[int]) -> Iterator[tuple[Path, int]]:
    """Copy the three parts into `folder`, and yield each with its size in bytes once it is whole.

    Raises `UserError` where the file is too small for three parts.
    """
    bounds = boundaries(os.path.getsize(path), shares)
    if bounds[1] == bounds[0] or bounds[2] - bounds[1] < 2 or bounds[3] - bounds[2] < 2:
        raise UserError(f"--input {path}: {bounds[3]} bytes do not fill three parts: give a longer file")
    folder.mkdir(parents=True, exist_ok=True)
    with open(path, "rb") as source, tqdm(total=bounds[3], unit="B", unit_scale=True, disable=None) as bar:
        for name, begin, end in zip(SPLITS, bounds, bounds[1:], strict=False):
            _copy(source, folder / name, end - begin, bar)
            yield folder / name, end - begin


def _copy(source, path: Path, size: int, bar: tqdm) -> None:
    with replacing_file(path) as unfinished, open(unfinished, "wb") as part:
        while size:
            block = source.read(min(BLOCK, size))
            part.write(block)
            bar.update(len(block))
            size -= len(block)
