"""The one exception for what a user can mend: its message names the file or flag, the value seen, and the remedy."""

from pathlib import Path


class UserError(ValueError):
    """A mistake in a command line, a configuration or a file; shown as one line, without a traceback."""


def check_checkpoints(*paths: str | Path) -> None:
    """Raise `UserError` where one of `paths`, given as `--checkpoint`, is no file."""
    for path in map(Path, paths):
        if path.is_dir():
            raise UserError(f"--checkpoint {path}: is a folder: give a checkpoint in it that fairseq-train wrote")
        if not path.is_file():
            raise UserError(f"--checkpoint {path}: no such file: give a checkpoint that fairseq-train wrote")
