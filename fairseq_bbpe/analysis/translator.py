"""A trained translation model with its data-bin's vocabulary, from raw text to symbols and back."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary, encoders
from omegaconf import OmegaConf
from torch import Tensor

import fairseq_bbpe.plugin  # noqa: F401  (registers the models that a checkpoint may hold)
from fairseq_bbpe.errors import UserError, check_checkpoints

# What `fairseq-bbpe prepare` keeps beside the data: file, fairseq's name for such a --bpe, and its option for the file.
VOCABULARIES = {
    "bbpe.model": ("bbpe", "bbpe_model"),
    "sentencepiece.bpe.model": ("sentencepiece", "sentencepiece_model"),
}


class Translator:
    """One model, in evaluation on the CPU, and the vocabulary that `fairseq-bbpe prepare` keeps beside the data.

    Attributes:
        model: the fairseq model.
        source, target: its dictionaries.

    Raises:
        UserError: no checkpoint of a translation model on this data, or a data-bin without vocabulary.
    """

    def __init__(self, checkpoint: str | Path, data: str | Path) -> None:
        check_checkpoints(checkpoint)
        kept = [(name, Path(data) / name) for name in VOCABULARIES if (Path(data) / name).is_file()]
        if not kept:
            raise UserError(f"{data}: holds none of {', '.join(VOCABULARIES)}; make it with fairseq-bbpe prepare")
        name, path = kept[0]
        bpe, option = VOCABULARIES[name]
        self.bpe = encoders.build_bpe(OmegaConf.create({"_name": bpe, option: str(path)}))
        try:
            (self.model,), self.configuration, self.task = checkpoint_utils.load_model_ensemble_and_task(
                [str(checkpoint)], arg_overrides={"data": str(data)}
            )
        except (UserError, OSError):
            raise
        except Exception as error:  # torch's, pickle's and fairseq's own, whatever the bytes
            raise UserError(
                f"--checkpoint {checkpoint}: damaged, or not a model of the data in {data}: give one that "
                "fairseq-train wrote, and its own data-bin"
            ) from error
        if not hasattr(self.model, "encoder"):
            raise UserError(f"--checkpoint {checkpoint}: not a translation model: give one that fairseq-train wrote")
        self.model.eval()
        self.source: Dictionary = self.task.source_dictionary
        self.target: Dictionary = self.task.target_dictionary

    def encode(self, text: str, dictionary: Dictionary) -> Tensor:
        """Raw text -> symbols (T,), the end of the sentence last."""
        return dictionary.encode_line(self.bpe.encode(text), add_if_not_exist=False).long()

    def pieces(self, symbols: Tensor, dictionary: Dictionary) -> list[str]:
        """Symbols (T,) -> pieces of the vocabulary."""
        return [dictionary[symbol] for symbol in symbols.tolist()]

    def spell(self, pieces: list[str]) -> str:
        """Pieces -> text, bytes recovered."""
        return self.bpe.decode(" ".join(pieces)).strip()

    def translate(self, source: Tensor, beam: int) -> Tensor:
        """The best translation (T,) of a source (S,), by the task's own search."""
        generator = self.task.build_generator([self.model], Namespace(beam=beam, max_len_a=2, max_len_b=50))
        sample = {"net_input": {"src_tokens": source.unsqueeze(0), "src_lengths": torch.tensor([len(source)])}}
        return self.task.inference_step(generator, [self.model], sample)[0][0]["tokens"].cpu()
