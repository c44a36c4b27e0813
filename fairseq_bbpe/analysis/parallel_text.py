"""Raw text in two languages, line by line, read a block at a time so that memory does not grow with the files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path

from tqdm import tqdm

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import BLOCK, read_lines

# Lines of a block: enough for sentencepiece to be busy with, and a megabyte or so.
LINES = 4096

Block = tuple[list[bytes], list[bytes], list[str]]


@dataclass(frozen=True)
class ParallelText:
    """A source file, a target file, and where there is one a file with the language code of each source line.

    Bytes are counted without newlines.
    """

    source: Path
    target: Path
    languages: Path | None
    lines: int
    source_bytes: int
    target_bytes: int

    @classmethod
    def of_files(cls, source: str | Path, target: str | Path, languages: str | Path | None = None) -> ParallelText:
        """Count the lines; raises `UserError` where the files differ in that."""
        files = [Path(path) for path in (source, target, languages) if path is not None]
        counts, sizes = zip(*map(_count, files), strict=True)
        for path, count in zip(files, counts, strict=True):
            if count != counts[0]:
                raise UserError(f"{source} has {counts[0]} lines, {path} has {count}: give files of parallel lines")
        return cls(files[0], files[1], files[2] if files[2:] else None, counts[0], *sizes[:2])

    def both_sides(self) -> Iterator[bytes]:
        """All lines of the source, then all of the target: what a joint vocabulary is learned from."""
        return chain(read_lines(self.source), read_lines(self.target))

    def blocks(self, label: str) -> Iterator[Block]:
        """Blocks of (source lines, target lines, language codes), with a bar where stderr is a terminal."""
        codes = repeat(b"") if self.languages is None else read_lines(self.languages)
        rows = zip(read_lines(self.source), read_lines(self.target), codes, strict=False)  # repeat() has no end
        with tqdm(total=self.lines, desc=label, unit=" lines", disable=None, leave=False) as bar:
            while block := list(islice(rows, LINES)):
                source, target, languages = map(list, zip(*block, strict=True))
                yield source, target, [code.decode("utf-8", "replace").strip() for code in languages]
                bar.update(len(block))

    def fingerprint(self) -> str:
        """One line that tells this text from another, wherever its files lie."""
        return f"{self.lines} lines, crc32 {_crc32(self.source):08x} and {_crc32(self.target):08x}"


def _count(path: Path) -> tuple[int, int]:
    """Lines, and the bytes in them."""
    lines = size = 0
    for line in read_lines(path):
        lines += 1
        size += len(line)
    return lines, size


def _crc32(path: Path) -> int:
    sum_so_far = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sum_so_far = zlib.crc32(block, sum_so_far)
    return sum_so_far
