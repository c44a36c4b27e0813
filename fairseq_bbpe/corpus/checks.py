"""Checks of the files and folders that a user names, before any work; each error names the flag."""

import stat
import tempfile
from pathlib import Path

from fairseq_bbpe.errors import UserError


def require_text(path: str | Path, flag: str) -> None:
    """Raise `UserError` unless `path` is a regular file that holds something and can be read."""
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            # Text is checked, counted and read again; and opening a pipe to look into it would lose its beginning.
            raise UserError(
                f"{flag} {path}: is a pipe or device, but the text is read several times: give a regular file"
            )
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


def require_elsewhere(folder: Path, flag: str) -> None:
    """Raise `UserError` where `folder`, which a new one is to replace, is the current folder or holds it.

    Its shell, and whatever else works in it, would be left in a folder that is no longer there.
    """
    here = Path.cwd()
    if here.is_relative_to(folder.resolve()):
        holds = "is" if here == folder.resolve() else "holds"
        raise UserError(f"{flag} {folder}: {holds} the current folder, which a new one would replace: give another")
