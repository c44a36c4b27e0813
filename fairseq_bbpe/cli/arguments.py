"""Arguments that several subcommands share, and the checks of their values that come before any work."""

import argparse
import stat
import sys
import tempfile
from functools import partial
from pathlib import Path

from fairseq_bbpe.errors import UserError

# What sentencepiece's trainer takes.
MOST_WORKERS = 1024


def positive(value: str, most: int = sys.maxsize) -> int:
    """Parse a whole number from 1 to `most`."""
    # 20 digits are above any `most`, and int() refuses some thousands of them.
    number = int(value[:20]) if value.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value!r}: give a whole number, 1 or more")
    if number > most:
        raise argparse.ArgumentTypeError(f"{value!r}: give {most} or less")
    return number


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, a file written by `learn`."""
    parser.add_argument("--model", required=True, metavar="PATH", help="the .model file that 'learn' wrote")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers",
        type=partial(positive, most=MOST_WORKERS),
        default=1,
        metavar="N",
        help=f"threads to work in, at most {MOST_WORKERS} (default: %(default)s)",
    )


def require_text(path: str | Path, flag: str) -> None:
    """Raise `UserError` unless `path` is a regular file that holds something and can be read."""
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            # Text is checked, counted and read again; and opening a pipe to look into it would lose its beginning.
            raise UserError(f"{flag} {path}: is a pipe or a device, to be read only once: give a regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UserError(f"{flag} {path}: {error.strerror}: give a file of raw text") from None
    if not found.st_size:
        raise UserError(f"{flag} {path}: the file is empty: give one with text in it")


def require_writable(folder: Path, flag: str) -> None:
    """Raise `UserError` unless files can be made in `folder`."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{flag}: cannot write into {folder}: {error.strerror}: give a folder that exists and is yours"
        ) from None
