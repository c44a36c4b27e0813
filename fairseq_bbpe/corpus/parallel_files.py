"""The files of a corpus, checked: every split has a source and a target of equally many lines, or a source alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fairseq_bbpe.corpus.checks import require_text
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import BLOCK, read_lines


@dataclass(frozen=True)
class Corpus:
    """Parallel files: fairseq's name of each split (train, valid, test, test1 ...) and its prefix.

    Attributes:
        only_source: whether the target's files are left out, as there are none of text to translate.
        warnings: a line for each file whose lines end in CR LF.
    """

    source: str
    target: str
    prefixes: dict[str, str]
    only_source: bool = False
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of_prefixes(
        cls,
        source: str,
        target: str,
        train: str | None,
        valid: str | None = None,
        test: str | None = None,
        *,
        only_source: bool = False,
    ) -> "Corpus":
        """Check all files; raises `UserError` where one is missing or empty, or a pair has unequal line counts."""
        prefixes = {} if train is None else {"train": train}
        for name, option in (("valid", valid), ("test", test)):
            for number, prefix in enumerate([] if option is None else option.split(",")):
                prefixes[f"{name}{number or ''}"] = prefix
        if not prefixes:
            raise UserError("no text: give --trainpref, --validpref or --testpref")
        for name, prefix in prefixes.items():
            if not prefix:
                raise UserError(f"{_flag(name)} holds an empty prefix: give PREFIX[,PREFIX], or leave the flag out")
        corpus = cls(source, target, prefixes, only_source)
        if train is not None and "," in train and not corpus.files("train")[source].exists():
            raise UserError(f"--trainpref {train}: give one prefix, of files that hold all training text")
        if source == target:
            raise UserError(f"--source-lang and --target-lang are both {source}: give two file suffixes")
        for name in prefixes:
            corpus._check_split(name)
        return corpus

    @property
    def languages(self) -> tuple[str, ...]:
        """The sides that have files."""
        return (self.source,) if self.only_source else (self.source, self.target)

    def files(self, name: str) -> dict[str, Path]:
        """The files of one split, by language."""
        return {language: Path(f"{self.prefixes[name]}.{language}") for language in self.languages}

    def training_lines(self) -> Iterator[bytes]:
        """All lines of the training source, then all of its target: what a joint vocabulary is learned from."""
        return chain.from_iterable(map(read_lines, self.files("train").values()))

    def _check_split(self, name: str) -> None:
        counts = {}
        for path in self.files(name).values():
            require_text(path, _flag(name))
            counts[path], crlf = _count_lines(path)
            if crlf:
                self.warnings.append(
                    f"{path}: {crlf} of {counts[path]} lines end in CR LF, and the CR would be part of the text: "
                    f"strip it with sed -i 's/\\r$//' {path}"
                )
        if len(set(counts.values())) > 1:
            (source, first), (target, second) = counts.items()
            raise UserError(
                f"{source} has {first} lines, {target} has {second}: give files whose lines translate each other"
            )


def _flag(name: str) -> str:
    """The flag that gives the split `name`, such as test1."""
    return f"--{name.rstrip('0123456789')}pref"


def _count_lines(path: Path) -> tuple[int, int]:
    """Count newlines, and a last line without one: (lines, those that end in CR LF)."""
    count = crlf = 0
    last = b"\n"
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            crlf += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
            last = block[-1:]
    return count + (last != b"\n"), crlf
