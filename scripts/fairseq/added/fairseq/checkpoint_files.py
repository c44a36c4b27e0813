"""Checkpoints are data, read with `weights_only=True`; code inside one is refused, never run. They are copied whole.

This file is added to fairseq by the build in fairseq-bbpe's scripts/fairseq; everything else there is fairseq's own.
"""

import argparse
import pickle
import re
import sys

import numpy as np
import torch
from fairseq.file_io import PathManager

# What fairseq itself writes into a checkpoint beyond tensors and plain Python values: the command line, and NumPy
# numbers among the meters. NumPy 1 wrote the same two functions under the name numpy.core, NumPy 2 under numpy._core.
SAFE_GLOBALS = [
    argparse.Namespace,
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    *(
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, function in (
            ("_reconstruct", np._core.multiarray._reconstruct),
            ("scalar", np._core.multiarray.scalar),
        )
    ),
]


REMEDY = "Copy it again, or name an earlier one with --restore-file or --path."


class CheckpointError(RuntimeError):
    """A checkpoint that is damaged, or that holds more than data; the message names the file and the remedy."""


def _show_one_line(kind, error, trace, *, otherwise=sys.excepthook):
    if issubclass(kind, CheckpointError):
        print(f"error: {error}", file=sys.stderr)
    else:
        otherwise(kind, error, trace)


# A command that ends with such a checkpoint says so in one line.
sys.excepthook = _show_one_line


def load_checkpoint_as_data(file, map_location):
    """What `torch.load` returns for an open binary `file`, with the classes of `SAFE_GLOBALS` allowed and no others.

    Raises `CheckpointError` if the file is truncated or is no checkpoint, or if it names any other class or function;
    nothing that it names is imported or called.
    """
    name = getattr(file, "name", "checkpoint")
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            state = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        refused = _refused_globals(file) or re.findall(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{name}: refused, it is not only data: it asks for {', '.join(refused)}. "
                "Nothing of it was run. Load only checkpoints that fairseq wrote."
            ) from None
        raise CheckpointError(f"{name}: not a checkpoint, or a damaged one ({_first_line(error)}). {REMEDY}") from None
    except Exception as error:  # what a damaged file makes of the reader is anyone's guess
        raise CheckpointError(f"{name}: not a checkpoint, or a damaged one ({_first_line(error)}). {REMEDY}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{name}: not a checkpoint of fairseq, but a {type(state).__name__}. {REMEDY}")
    return state


def copy_checkpoint(source: str, destination: str) -> None:
    """Copy under another name and rename, so that a kill never leaves half a checkpoint under `destination`."""
    if not PathManager.supports_rename(destination):
        PathManager.copy(source, destination, overwrite=True)
        return
    PathManager.copy(source, f"{destination}.tmp", overwrite=True)
    PathManager.rename(f"{destination}.tmp", destination)


def _refused_globals(file) -> list[str]:
    """Names of the classes and functions that `file` asks for and that are not allowed."""
    try:
        file.seek(0)
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            return torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:
        # The format of torch before 1.6 cannot be listed; torch's own error then names the first.
        return []


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
