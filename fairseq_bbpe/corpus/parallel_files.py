"""The parallel files of a corpus, checked: every split has a source and a target of equally many lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fairseq_bbpe.corpus.checks import require_text
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import BLOCK, read_lines


@dataclass(frozen=True)
class Corpus:
    """Parallel files: fairseq's name of each split (train, valid, test, test1 ...) and its prefix."""

    source: str
    target: str
    prefixes: dict[str, str]

    @classmethod
    def of_prefixes(cls, source: str, target: str, train: str, valid: str | None, test: str | None) -> "Corpus":
        """Check all files; raises `UserError` where one is missing or empty, or a pair has unequal line counts."""
        prefixes = {"train": train}
        for name, option in (("valid", valid), ("test", test)):
            for number, prefix in enumerate([] if option is None else option.split(",")):
                prefixes[f"{name}{number or ''}"] = prefix
        for name, prefix in prefixes.items():
            if not prefix:
                raise UserError(f"{_flag(name)} holds an empty prefix: give PREFIX[,PREFIX], or leave the flag out")
        corpus = cls(source, target, prefixes)
        if "," in train and not corpus.files("train")[source].exists():
            raise UserError(f"--trainpref {train}: give one prefix, of files that hold all training text")
        if source == target:
            raise UserError(f"--source-lang and --target-lang are both {source}: give two file suffixes")
        for name in prefixes:
            corpus._check_pair(name)
        return corpus

    def files(self, name: str) -> dict[str, Path]:
        """The two files of one split, by language."""
        return {language: Path(f"{self.prefixes[name]}.{language}") for language in (self.source, self.target)}

    def training_lines(self) -> Iterator[bytes]:
        """All lines of the training source, then all of its target: what a joint vocabulary is learned from."""
        return chain.from_iterable(map(read_lines, self.files("train").values()))

    def _check_pair(self, name: str) -> None:
        source, target = self.files(name).values()
        for path in (source, target):
            require_text(path, _flag(name))
        counts = _count_lines(source), _count_lines(target)
        if counts[0] != counts[1]:
            raise UserError(
                f"{source} has {counts[0]} lines, {target} has {counts[1]}: give files whose lines translate each other"
            )


def _flag(name: str) -> str:
    """The flag that gives the split `name`, such as test1."""
    return f"--{name.rstrip('0123456789')}pref"


def _count_lines(path: Path) -> int:
    """Count newlines, and a last line without one."""
    count, last = 0, b"\n"
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")
