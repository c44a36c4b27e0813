"""With which pieces a model was trained: as many others would fit its embeddings, and come out as nonsense."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fairseq.checkpoint_files import SAFE_GLOBALS
from fairseq.data import Dictionary
from omegaconf.errors import InterpolationKeyError

from fairseq_bbpe.errors import UserError


def fingerprints(dictionaries: Mapping[str, Dictionary]) -> dict[str, str]:
    """SHA-256 of each side's symbols in their order, which is that of the embeddings' rows; for a task's state."""
    return {
        f"{side}_pieces": hashlib.sha256("\n".join(dictionary.symbols).encode()).hexdigest()
        for side, dictionary in dictionaries.items()
    }


def require_pieces(model: str, kept: Mapping[str, Any], dictionaries: Mapping[str, Dictionary], data: str) -> None:
    """Raise `UserError` where a model was trained with other pieces than the data have.

    Args:
        model: how the user named it.
        kept: the task's state in its checkpoint; one that was saved before a task kept `fingerprints` passes.
        dictionaries: of the data, by side.
        data: their folder.
    """
    for key, fingerprint in fingerprints(dictionaries).items():
        if kept.get(key, fingerprint) != fingerprint:
            raise UserError(
                f"{model} was trained with other pieces than those in {data} (dict.*.txt, {key.removesuffix('_pieces')}"
                "): give the data that it was trained on, or prepare yours with its vocabulary: fairseq-bbpe prepare "
                "--model PATH"
            )


def require_pieces_of_start(cfg: Any, dictionaries: Mapping[str, Dictionary]) -> None:
    """`require_pieces` of the checkpoint that fairseq-train is going to begin from, if any.

    Args:
        cfg: of a task, with `save_dir`, `restore_file` and `finetune_from_model` of fairseq's `checkpoint`.
        dictionaries: of its data, by side.
    """
    try:
        last = Path(cfg.save_dir, cfg.restore_file)
        flag, path = "--save-dir", last
        if cfg.restore_file != "checkpoint_last.pt":
            flag, path = "--restore-file", Path(cfg.restore_file)
        elif cfg.finetune_from_model and not last.is_file():
            flag, path = "--finetune-from-model", Path(cfg.finetune_from_model)
    except InterpolationKeyError:  # a task that is made without fairseq-train
        return
    require_pieces(f"{flag}: {path}", _task_state(path), dictionaries, cfg.data)


def _task_state(path: Path) -> dict[str, Any]:
    """What a task kept in a checkpoint, whose tensors are mapped and not read; nothing where it cannot be read.

    fairseq reads it next, and says what is wrong with it.
    """
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)["task_state"]
    except Exception:
        return {}
