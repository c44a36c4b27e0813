"""A folder that appears under its name whole or not at all."""

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
