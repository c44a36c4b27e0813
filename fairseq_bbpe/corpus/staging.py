"""Folders and files that appear under their names whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(destination: Path) -> Iterator[Path]:
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


@contextmanager
def replacing_file(destination: str | os.PathLike) -> Iterator[Path]:
    """Yield the name of a file beside `destination` to write, which takes its place at the end, or vanishes.

    Raises:
        OSError: it cannot be written, as where the disk is full; names `destination`.
    """
    path = Path(destination).resolve()  # of a link, what it leads to
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.filename in (None, str(part)):  # a write that fails names no file
            error.filename = str(destination)
        raise
    finally:
        with suppress(OSError):
            part.unlink()
