"""A checkpoint with all that translation needs, in a folder that can be copied to another machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from fairseq import checkpoint_utils
from omegaconf import OmegaConf

from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.export.folder import describe, export_folder


def export_fairseq(engine: FairseqModels, checkpoint: Path, output: Path) -> None:
    """Write the folder `output`: the weights without the optimizer's state, the dictionaries, and the vocabulary.

    Raises:
        UserError: `output` is no folder to replace.
    """
    state = checkpoint_utils.load_checkpoint_to_cpu(str(checkpoint))
    state["cfg"] = OmegaConf.to_container(state["cfg"])
    task = state["cfg"]["task"]
    task["data"], task["source_lang"], task["target_lang"] = ".", engine.source, engine.target
    state.update(args=None, last_optimizer_state=None)
    with export_folder(engine, output) as folder:
        torch.save(state, folder / "checkpoint.pt")
        for language in (engine.source, engine.target):
            shutil.copyfile(engine.data / f"dict.{language}.txt", folder / f"dict.{language}.txt")
        describe(folder, format="fairseq", checkpoint="checkpoint.pt")
