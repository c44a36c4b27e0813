"""The YAML of corpora, and their raw files: found in --data or built from Unicode CLDR, checked, sampled."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.system import read_yaml
from fairseq_bbpe.text.lines import read_lines

LONGEST = 4000  # bytes of a sentence that a model is to translate
Line = TypeVar("Line")
BYTE_SPLITS = ("train", "valid", "test")


@dataclass
class Download:
    """Where `download.sh` gets one set from.

    Attributes:
        splits: of the corpus, to which its parts are added.
        ids: mtdata's, one for each split.
        talks: or, of the TED talks of Ye et al. (2018), the languages' columns.
        valid: pairs of the dev set of the talks at most.
        note: where it differs from the paper's; licence.
    """

    set: str
    splits: list[str]
    ids: list[str] = field(default_factory=list)
    talks: list[str] = field(default_factory=list)
    valid: int | None = None
    note: str = ""


@dataclass
class Corpus:
    """Parallel text into which files of --data are read, or one file of bytes.

    Attributes:
        source, target: the languages, and so the ends of the files' names; of a file of bytes neither.
        languages: whether SPLIT.lang has the language of each line.
        embedded: the CLDR language that stands for it where there is no --data; all, if it has `languages`.
        beam: hypotheses in search.
    """

    source: str = ""
    target: str = ""
    languages: bool = False
    embedded: str | None = None
    beam: int = 5
    download: list[Download] = field(default_factory=list)

    @property
    def of_bytes(self) -> bool:
        """Whether it is one file, of any bytes."""
        return not self.source

    @property
    def sides(self) -> tuple[str, ...]:
        """The ends of the files' names of each split."""
        return (self.source, self.target, *(["lang"] if self.languages else []))


@dataclass
class Corpora:
    """All of a file."""

    corpora: dict[str, Corpus]


def read_corpora(path: Path) -> dict[str, Corpus]:
    """Read and check a file of corpora."""
    found = read_yaml(path, Corpora).corpora
    for name, corpus in found.items():
        if bool(corpus.source) != bool(corpus.target):
            raise UserError(f"{path}: corpora.{name}: has one of source and target: give both, or neither for bytes")
        for each in corpus.download:
            if bool(each.ids) == bool(each.talks) or (each.ids and len(each.ids) != len(each.splits)):
                raise UserError(f"{path}: corpora.{name}.download: {each.set}: give an id for each split, or talks")
    return found


@dataclass(frozen=True)
class Text:
    """A corpus's raw files in a folder, which is a user's, or the workspace's own where they are sampled or built."""

    name: str
    corpus: Corpus
    folder: Path

    @property
    def splits(self) -> list[str]:
        """The names of its splits: train, valid, and every test set."""
        first = self.corpus.sides[0]
        found = sorted(path.name.removesuffix(f".{first}") for path in self.folder.glob(f"test*.{first}"))
        return ["train", "valid", *(name for name in found if re.fullmatch(r"test(_.*)?", name))]

    @property
    def tests(self) -> list[str]:
        """The names of its test sets."""
        return self.splits[2:]

    def file(self, split: str, side: str) -> Path:
        """A file of it."""
        return self.folder / f"{split}.{side}"

    def check(self) -> None:
        """Raise `UserError` unless every split is whole and parallel, and no sentence to translate is too long."""
        if not self.tests:
            first = self.corpus.sides[0]
            whose = "" if self.folder.name == self.name else f", nor {self.name}/ in {self.folder}"
            raise UserError(f"{self.folder}/test.{first}: missing, and no test_NAME.{first} either{whose}")
        for split in self.splits:
            files = [self.file(split, side) for side in self.corpus.sides]
            for path in files:
                if not path.is_file() or not path.stat().st_size:
                    raise UserError(f"{path}: missing or empty: {self.name} needs train, valid and test files")
            counts = [count_lines(path) for path in files]
            for path, count in zip(files, counts, strict=True):
                if count != counts[0]:
                    raise UserError(f"{files[0]} has {counts[0]} lines, {path} has {count}: give parallel files")
            if split != "train":
                for path in files[:2]:
                    _check_lengths(path)
            if self.corpus.languages and b"\r" in files[2].read_bytes():
                raise UserError(f"{files[2]}: its lines end in carriage returns: remove them")

    def sha256(self) -> str:
        """The first 12 digits of a checksum of all its files."""
        return checksum(self.file(split, side) for split in self.splits for side in self.corpus.sides)

    def pairs(self) -> int:
        """Training pairs."""
        return count_lines(self.file("train", self.corpus.sides[0]))

    def tokenised(self) -> bool:
        """Whether most references that end a sentence have a space before its last mark.

        BLEU against tokenised references is not the paper's, and is said on the face of a table.
        """
        ends = spaced = 0
        for split in self.tests:
            for line in read_lines(self.file(split, self.corpus.sides[1])):
                ends += line.rstrip().endswith((b".", b"!", b"?"))
                spaced += line.rstrip().endswith((b" .", b" !", b" ?"))
        return spaced > ends / 2

    def references(self, split: str) -> tuple[list[str], list[str]]:
        """Raw references of `valid`, or of all test sets one after another, and each one's set or language."""
        lines, groups = [], []
        for name in self.tests if split == "test" else [split]:
            found = [line.decode("utf-8", "replace") for line in read_lines(self.file(name, self.corpus.sides[1]))]
            lines += found
            if self.corpus.languages:
                groups += self.file(name, "lang").read_text(encoding="utf-8").splitlines()
            else:
                groups += [name] * len(found)
        return lines, groups


def count_lines(path: Path) -> int:
    """Lines of a file, with a last one that has no newline."""
    return sum(1 for _ in read_lines(path))


def checksum(paths) -> str:
    """The first 12 digits of the SHA-256 of files one after another."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _check_lengths(path: Path) -> None:
    for number, line in enumerate(read_lines(path), start=1):
        if len(line) > LONGEST:
            raise UserError(f"{path}, line {number}: longer than {LONGEST} bytes: split it, in both languages")


def evenly(lines: Iterator[Line], count: int, wanted: int) -> Iterator[Line]:
    """`wanted` of `count` lines at equal distances: parallel files keep parallel lines, and languages their shares.

    >>> list(evenly(iter(range(10)), 10, 4))
    [0, 2, 5, 7]
    """
    kept = {number * count // wanted for number in range(min(wanted, count))} if count > wanted else None
    return (line for number, line in enumerate(lines) if kept is None or number in kept)


def sample_text(text: Text, folder: Path, at_most: dict[str, int]) -> Text:
    """Copy a corpus into a new folder, with so many lines of train, valid and test at most."""
    sampled = Text(text.name, text.corpus, folder)
    with becoming(folder) as part:
        for split in text.splits:
            count = count_lines(text.file(split, text.corpus.sides[0]))
            wanted = at_most.get(split.partition("_")[0], count)
            for side in text.corpus.sides:
                with open(part / f"{split}.{side}", "wb") as file:
                    lines = evenly(read_lines(text.file(split, side)), count, wanted)
                    file.writelines(line + b"\n" for line in lines)
    return sampled


class becoming:
    """A new folder that takes its place when it is whole."""

    def __init__(self, folder: Path):
        self.folder, self.part = folder, folder.with_name(f".{folder.name}.part")

    def __enter__(self) -> Path:
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        return self.part

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.part.rename(self.folder)
        else:
            shutil.rmtree(self.part, ignore_errors=True)


def in_data(data: Path, name: str, corpora: dict[str, Corpus]) -> Path:
    """The folder of a corpus in --data, which holds the corpora's folders or is the one corpus's own."""
    return data / name if any((data / each).is_dir() for each in corpora) else data
