"""What `prepare` does: check everything; learn, encode and binarize in a folder that becomes DESTDIR at the end."""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fairseq_bbpe.corpus.checks import require_elsewhere, require_writable
from fairseq_bbpe.corpus.indexed_file import numbered, write_indexed
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.corpus.staging import replacing
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import read_blocks
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.specification import KINDS, Specification

LOG = "preprocess.log"  # of fairseq-preprocess, whose output a data-bin is


class Lengths(NamedTuple):
    """Of one file, in pieces without </s>: its longest line, and all its lines together; and how many lines."""

    longest: int
    total: int
    lines: int


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
    for warning in corpus.warnings:
        _tell(f"warning: {warning}")
    lengths: dict[str, dict[str, Lengths]] = {}
    with replacing(destination) as folder:
        _tell(f"vocabulary {specification.path or specification.name}")
        vocabulary = specification.vocabulary(corpus.training_lines, workers=workers, at_most=at_most, sample=sample)
        (folder / vocabulary.FILE).write_bytes(vocabulary.model)

        dictionary = "".join(vocabulary.dictionary_lines())
        for language in (corpus.source, corpus.target):
            (folder / f"dict.{language}.txt").write_text(dictionary, encoding="utf-8", newline="\n")

        ids = numbered(vocabulary.pieces)
        with open(folder / LOG, "w", encoding="utf-8") as log:
            for name in corpus.prefixes:
                _tell(f"encoding {name}")
                lengths[name] = {}
                for language, path in corpus.files(name).items():
                    prefix = folder / f"{name}.{corpus.source}-{corpus.target}.{language}"
                    encoded = (vocabulary.encode_lines(lines, workers) for lines in read_blocks(path))
                    written, unknown = write_indexed(prefix, encoded, ids)
                    lengths[name][language] = Lengths(max(written) - 1, sum(written) - len(written), len(written))
                    told = f"{len(written)} lines, {sum(written)} pieces with </s>, {unknown} of them <unk>"
                    print(f"{prefix.name}: {told}", file=log)

        raw = folder / "raw"
        raw.mkdir()
        for name in corpus.prefixes.keys() - {"train"}:
            for language, path in corpus.files(name).items():
                shutil.copyfile(path, raw / f"{name}.{language}")
    _tell(f"wrote {destination}: {len(vocabulary)} pieces")
    return Prepared(vocabulary, lengths)


def _tell(step: str) -> None:
    print(f"fairseq-bbpe prepare: {step}", file=sys.stderr)


def _check_destination(destination: Path, overwrite: bool) -> None:
    if not destination.name:
        raise UserError(f"--destdir {destination}: is the root of all files: give a folder inside")
    require_elsewhere(destination, "--destdir")
    nearest = next(folder for folder in destination.parents if folder.exists())
    require_writable(nearest, f"--destdir {destination}")
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return
    if not (destination / LOG).is_file():
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
