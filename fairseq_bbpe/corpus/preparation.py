"""What `prepare` does: check everything; learn, encode and binarize in a folder that becomes DESTDIR at the end."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fairseq_bbpe.corpus.checks import require_writable
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.corpus.staging import replacing
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import map_lines
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.specification import KINDS, Specification


class Lengths(NamedTuple):
    """Of one file, in pieces without </s>: its longest line, and all its lines together."""

    longest: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """What a data-bin was made of: the vocabulary, and the lengths of each split in each language."""

    vocabulary: SubwordVocabulary
    lengths: dict[str, dict[str, Lengths]]


def prepare(
    corpus: Corpus,
    specification: Specification,
    destination: Path,
    *,
    overwrite: bool,
    workers: int,
    at_most: bool = False,
    sample: int = 0,
) -> Prepared:
    """Make the data-bin `destination`; raises `UserError` before anything is written, and leaves nothing half-made.

    With `at_most`, a vocabulary that the training text does not support becomes the largest that it does; with `sample`
    it is learned from so many lines of the text, drawn evenly, and only they are kept in memory.
    """
    if specification.path is None and "train" not in corpus.prefixes:
        raise UserError(f"--vocab {specification.name}: there is no --trainpref to learn from: give --model PATH")
    if ":" in str(destination):
        raise UserError(f"--destdir {destination}: fairseq would split this path at ':': give one without")
    destination = destination.resolve()
    _check_destination(destination, overwrite)
    if find_spec("fairseq_cli") is None:
        raise UserError("fairseq is not installed in this Python: 'bash scripts/setup.sh' installs it")
    for warning in corpus.warnings:
        _tell(f"warning: {warning}")
    lengths: dict[str, dict[str, Lengths]] = {}
    with replacing(destination) as folder:
        _tell(f"vocabulary {specification.path or specification.name}")
        vocabulary = specification.vocabulary(corpus.training_lines, workers=workers, at_most=at_most, sample=sample)
        (folder / vocabulary.FILE).write_bytes(vocabulary.model)

        pieces = folder / "pieces"
        pieces.mkdir()
        dictionary = pieces / "dict.txt"
        dictionary.write_text("".join(vocabulary.dictionary_lines()), encoding="utf-8", newline="\n")
        for name in corpus.prefixes:
            _tell(f"encoding {name}")
            lengths[name] = {
                language: _encode(path, pieces / f"{name}.{language}", vocabulary, workers)
                for language, path in corpus.files(name).items()
            }
        _tell("fairseq-preprocess")
        _binarize(corpus, folder, workers)
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
    return Prepared(vocabulary, lengths)


def _tell(step: str) -> None:
    print(f"fairseq-bbpe prepare: {step}", file=sys.stderr)


def _encode(path: Path, destination: Path, vocabulary: SubwordVocabulary, workers: int) -> Lengths:
    longest = total = 0

    def encode(lines: list[bytes]) -> list[bytes]:
        nonlocal longest, total
        encoded = vocabulary.encode_lines(lines, workers)
        counts = [pieces.count(" ") + bool(pieces) for pieces in encoded]
        longest, total = max(longest, *counts), total + sum(counts)
        return [pieces.encode() for pieces in encoded]

    with open(path, "rb") as source, open(destination, "wb") as sink:
        map_lines(encode, source, sink)
    return Lengths(longest, total)


def _binarize(corpus: Corpus, folder: Path, workers: int) -> None:
    command = [sys.executable, "-m", "fairseq_cli.preprocess"]
    command += ["--source-lang", corpus.source, "--target-lang", corpus.target, "--destdir", "."]
    command += ["--only-source"] if corpus.only_source else []
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
    if foreign := _foreign_file(destination):
        raise UserError(
            f"--destdir {destination}: holds {foreign}, which neither 'prepare' nor 'ngrams' wrote, and --overwrite "
            "would remove it: move it away, or give another folder"
        )


def _foreign_file(folder: Path) -> Path | None:
    """A file of the data-bin `folder` that is none of a data-bin."""
    languages = "|".join(re.escape(path.name[len("dict.") : -len(".txt")]) for path in folder.glob("dict.*.txt"))
    models = "|".join(re.escape(kind.FILE) for kind in KINDS.values())
    ours = re.compile(
        rf"preprocess\.log|dict\..*\.txt|{models}|(train|valid|test)\d*\.[^/]*\.(bin|idx)"
        rf"|raw/(valid|test)\d*\.({languages})|[^/]*\.({languages})\.pt"
    )
    inside = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir())
    return next((path for path in inside if not ours.fullmatch(path.as_posix())), None)
