"""A file of raw bytes as training text: memory-mapped, whatever its size, and a dictionary that needs no building."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fairseq.data import Dictionary

from fairseq_bbpe.errors import UserError

SPECIALS = 4  # fairseq's <s>, <pad>, </s>, <unk> have the ids 0 to 3, so byte b has the id 4 + b
BYTES = 256


def byte_dictionary() -> Dictionary:
    """Every byte as a symbol, written in hexadecimal, after fairseq's four special symbols.

    >>> dictionary = byte_dictionary()
    >>> len(dictionary), dictionary.index("0a"), dictionary[SPECIALS + 255]
    (260, 14, 'ff')
    """
    dictionary = Dictionary()
    assert dictionary.nspecial == SPECIALS
    for byte in range(BYTES):
        dictionary.add_symbol(f"{byte:02x}")
    return dictionary


class ByteFile:
    """A file's bytes, read where and when they are needed; a copy sent to another process opens the file again.

    Args:
        path: of the file.
        at_least: bytes that it must hold.
        why: what they are for, completing "too short for".

    Raises:
        UserError: no such file, or fewer bytes.
    """

    def __init__(self, path: str | Path, at_least: int = 1, why: str = "anything") -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{path}: no such file; 'fairseq-bbpe lm split' makes train, valid and test from one file")
        size = self.path.stat().st_size
        if size == 0:
            raise UserError(f"{path}: the file is empty; give raw text, of {at_least:,} bytes or more")
        if size < at_least:
            raise UserError(f"{path}: {size:,} bytes are too short for {why}; give {at_least:,} or more")
        self.bytes = np.memmap(self.path, dtype=np.uint8, mode="r")

    def __reduce__(self):
        return ByteFile, (self.path,)

    def __len__(self) -> int:
        return len(self.bytes)

    def ids(self, start: int, end: int) -> np.ndarray:
        """Symbols of the bytes from offset `start` up to `end`, int64."""
        return self.bytes[start:end].astype(np.int64) + SPECIALS
