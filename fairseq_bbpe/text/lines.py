r"""Lines of bytes: they end at ``\n`` alone, and a file without a final newline keeps none.

Python's text files also break lines at carriage returns, which would lose bytes and misalign parallel files.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

# Bytes read at once: enough lines for sentencepiece's threads, few enough for the processor's cache, and flat memory.
BLOCK = 2**17


def read_lines(path: str | Path) -> Iterator[bytes]:
    """Yield the lines of a file without their newlines."""
    with open(path, "rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def read_blocks(path: str | Path) -> Iterator[list[bytes]]:
    """Yield the lines of a file without their newlines, many at a time."""
    with open(path, "rb") as file:
        for body, _ in _blocks(file):
            yield body.split(b"\n")


def map_lines(function: Callable[[list[bytes]], Iterable[bytes]], source: BinaryIO, sink: BinaryIO) -> None:
    r"""Write `function` of the lines of `source`, many at a time and as soon as they come.

    >>> import io
    >>> sink = io.BytesIO()
    >>> map_lines(lambda lines: [line.upper() for line in lines], io.BytesIO(b"one\n\ntwo\rthree"), sink)
    >>> sink.getvalue()
    b'ONE\n\nTWO\rTHREE'
    """
    for body, end in _blocks(source):
        sink.write(b"\n".join(function(body.split(b"\n"))) + end)
        sink.flush()


def _blocks(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Whole lines, many at a time, and the newline after them, which the last may lack."""
    while block := source.read1(BLOCK):  # type: ignore[attr-defined]  # every buffered file has it, BinaryIO not
        if not block.endswith(b"\n"):
            block += source.readline()
        body = block.removesuffix(b"\n")
        yield body, block[len(body) :]
