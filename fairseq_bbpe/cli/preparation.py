"""What `prepare` does: check everything; learn, encode and binarise in a folder that becomes DESTDIR at the end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from fairseq_bbpe.analysis.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.analysis.vocabularies import Specification, learn
from fairseq_bbpe.cli.arguments import require_text, require_writable
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.characters import CharacterVocabulary
from fairseq_bbpe.text.learning import TooManyPieces
from fairseq_bbpe.text.lines import BLOCK, map_lines, read_lines
from fairseq_bbpe.text.vocabulary import Vocabulary

AnyVocabulary = Vocabulary | CharacterVocabulary | FairseqVocabulary


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


@dataclass(frozen=True)
class VocabularyChoice:
    """What `--vocab` or `--model` asks for: a kind, the number of pieces of bbpe and bpe, or a model to take."""

    kind: str
    size: int | None = None
    model: str | None = None

    @classmethod
    def parse(cls, spec: str) -> "VocabularyChoice":
        """Read ``byte``, ``bbpe:N``, ``char``, ``bpe:N`` or ``fairseq:N``; raises `UserError` for anything else.

        >>> VocabularyChoice.parse("bbpe:4096")
        VocabularyChoice(kind='bbpe', size=4096, model=None)
        """
        found = Specification.parse(spec, models=False)
        return cls(found.kind, found.size)

    @classmethod
    def existing(cls, path: str) -> "VocabularyChoice":
        """Take a byte-level model as it is; raises `UserError` where it is none."""
        Vocabulary.load(path)
        return cls("bbpe", model=path)

    @property
    def byte_level(self) -> bool:
        """Whether ours, or over characters."""
        return self.kind in ("byte", "bbpe")

    @property
    def model_name(self) -> str:
        """The file in DESTDIR that keeps the model."""
        names = {"byte": "bbpe.model", "bbpe": "bbpe.model", "fairseq": "byte_bpe.model"}
        return names.get(self.kind, "sentencepiece.bpe.model")

    @property
    def bpe(self) -> tuple[str, str]:
        """What fairseq decodes it with: the value of `--bpe`, and the option that names the model."""
        if self.byte_level:
            return "bbpe", "--bbpe-model"
        if self.kind == "fairseq":
            return "byte_bpe", "--sentencepiece-model-path"
        return "sentencepiece", "--sentencepiece-model"

    def vocabulary(self, lines: Callable[[], Iterable[bytes]], workers: int, *, at_most: bool = False) -> AnyVocabulary:
        """Learn it from `lines()`, or load it.

        Raises `TooManyPieces` where they do not support its size, or with `at_most` learns as many as they do: that
        takes a second pass, for sentencepiece says how many at the end of the first.
        """
        if self.model:
            return Vocabulary.load(self.model)
        try:
            return learn(self.kind, lines(), self.size, workers)
        except TooManyPieces as error:
            if not at_most:
                raise
            return replace(self, size=error.largest).vocabulary(lines, workers)


def prepare(
    corpus: Corpus,
    choice: VocabularyChoice,
    destination: Path,
    *,
    overwrite: bool,
    workers: int,
    at_most: bool = False,
) -> None:
    """Make the data-bin `destination`; raises `UserError` before anything is written, and leaves nothing half-made.

    With `at_most`, a vocabulary that the training text does not support becomes the largest that it does.
    """
    if ":" in str(destination):
        raise UserError(f"--destdir {destination}: fairseq would split this path at ':': give one without")
    destination = destination.resolve()
    _check_destination(destination, overwrite)
    if find_spec("fairseq_cli") is None:
        raise UserError("fairseq is not installed in this Python: 'bash scripts/setup.sh' installs it")
    with _becoming(destination) as folder:
        _tell(f"vocabulary {choice.model or choice.kind}")
        training = corpus.files("train").values()
        vocabulary = choice.vocabulary(lambda: chain.from_iterable(map(read_lines, training)), workers, at_most=at_most)
        (folder / choice.model_name).write_bytes(vocabulary.model)

        pieces = folder / "pieces"
        pieces.mkdir()
        dictionary = pieces / "dict.txt"
        dictionary.write_text("".join(vocabulary.dictionary_lines()), encoding="utf-8", newline="\n")
        for name in corpus.prefixes:
            _tell(f"encoding {name}")
            for language, path in corpus.files(name).items():
                _encode(path, pieces / f"{name}.{language}", vocabulary, workers)
        _tell("fairseq-preprocess")
        _binarise(corpus, folder, workers)
        for language in (corpus.source, corpus.target):
            # fairseq writes the dictionary without the flags of pieces that are spelled like its own symbols.
            shutil.copyfile(dictionary, folder / f"dict.{language}.txt")
        shutil.rmtree(pieces)

        raw = folder / "raw"
        raw.mkdir()
        for name in corpus.prefixes.keys() - {"train"}:
            for language, path in corpus.files(name).items():
                shutil.copyfile(path, raw / f"{name}.{language}")
    _tell(f"wrote {destination}: {len(vocabulary)} pieces")


def _tell(step: str) -> None:
    print(f"fairseq-bbpe prepare: {step}", file=sys.stderr)


def _encode(path: Path, destination: Path, vocabulary: AnyVocabulary, workers: int) -> None:
    def encode(lines: list[bytes]) -> list[bytes]:
        return [pieces.encode() for pieces in vocabulary.encode_lines(lines, workers)]

    with open(path, "rb") as source, open(destination, "wb") as sink:
        map_lines(encode, source, sink)


def _binarise(corpus: Corpus, folder: Path, workers: int) -> None:
    command = [sys.executable, "-m", "fairseq_cli.preprocess"]
    command += ["--source-lang", corpus.source, "--target-lang", corpus.target, "--destdir", "."]
    command += ["--joined-dictionary", "--srcdict", "pieces/dict.txt", "--workers", str(workers)]
    for split in ("train", "valid", "test"):
        prefixes = [f"pieces/{name}" for name in corpus.prefixes if name.startswith(split)]
        if prefixes:
            command += [f"--{split}pref", ",".join(prefixes)]
    # Run inside the folder: a comma in its path would look like two prefixes.
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if finished.returncode:
        last = finished.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise UserError(f"fairseq-preprocess failed with status {finished.returncode}: {last[0]}")


def _check_destination(destination: Path, overwrite: bool) -> None:
    if not destination.name:
        raise UserError(f"--destdir {destination}: is the root of all files: give a folder inside")
    nearest = next(folder for folder in destination.parents if folder.exists())
    require_writable(nearest, f"--destdir {destination}")
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return
    if not (destination / "preprocess.log").is_file():
        raise UserError(f"--destdir {destination}: exists and is no data-bin: give another folder, or remove it first")
    if not overwrite:
        raise UserError(f"--destdir {destination}: exists: give another folder, or --overwrite to replace it")


@contextmanager
def _becoming(destination: Path) -> Iterator[Path]:
    """Yield a new folder beside `destination` that takes its place at the end, or vanishes if anything goes wrong."""
    missing = [folder for folder in destination.parents if not folder.exists()]
    folder = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    replaced = folder.with_suffix(".replaced")
    try:
        folder.mkdir(parents=True)
        yield folder
        if destination.exists():
            destination.rename(replaced)
        folder.rename(destination)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:
        if replaced.exists() and not destination.exists():
            replaced.rename(destination)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise
