"""Arguments that several subcommands share, and the checks of their values that come before any work."""

import argparse
import tempfile
from pathlib import Path

from fairseq_bbpe.errors import UserError


def positive(value: str) -> int:
    """Parse a whole number of 1 or more."""
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r}: give a whole number, 1 or more")
    return int(value)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, a file written by `learn`."""
    parser.add_argument("--model", required=True, metavar="PATH", help="the .model file that 'learn' wrote")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="threads to work in (default: %(default)s)"
    )


def require_text(path: str | Path, flag: str) -> None:
    """Raise `UserError` unless `path` is a file that holds something."""
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UserError(f"{flag} {path}: {error.strerror}: give a file of raw text") from None
    if empty:
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
