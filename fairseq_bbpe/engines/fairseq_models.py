"""Translation by a checkpoint of fairseq, or an ensemble of them."""

from __future__ import annotations

import contextlib
import math
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.data import data_utils
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf, open_dict

import fairseq_bbpe.plugin  # noqa: F401  (registers the models that a checkpoint may hold)
from fairseq_bbpe.engines.search_options import Found, Pieces, SearchOptions
from fairseq_bbpe.errors import UserError, check_checkpoints
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig


class FairseqModels:
    """Checkpoints of one task, and the dictionaries of the data that they were trained on.

    Args:
        checkpoints: files that fairseq-train wrote; several make an ensemble.
        data: the data-bin, or any folder with its dictionaries. By default the checkpoint's own folder, where that
            holds them, or else the folder that it was trained on.
        device: for torch.

    Attributes:
        data: the folder that was found.
        source, target: the languages' names, as the dictionaries' files have them.

    Raises:
        UserError: no such file, or no checkpoint of a translation model; no dictionaries, or those of another model.
    """

    def __init__(self, checkpoints: Sequence[Path], data: Path | None = None, device: str = "cpu") -> None:
        check_checkpoints(*checkpoints)
        self.checkpoints = list(checkpoints)
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for translations
            state = _read(checkpoints[0])
            self.configuration = state["cfg"]
            self.data = self._find_data(checkpoints[0], data)
            self.source, self.target = self._languages(state, checkpoints[0])
            self.task = self._task()
            self.models = [self._model(checkpoints[0], state)]
            self.models += [self._model(checkpoint, _read(checkpoint)) for checkpoint in checkpoints[1:]]
        self.device = torch.device(device)
        for model in self.models:
            model.to(self.device)
            model.prepare_for_inference_(OmegaConf.structured(FairseqConfig()))
        longest = utils.resolve_max_positions(
            self.task.max_positions(), *(model.max_positions() for model in self.models)
        )
        self.longest_source, self.longest_target = (int(positions) - 1 for positions in longest)

    def _find_data(self, checkpoint: Path, given: Path | None) -> Path:
        trained_on = utils.split_paths(str(getattr(self.configuration.task, "data", None) or "."))[0]
        places = [given] if given else [checkpoint.parent, Path(trained_on)]
        for place in places:
            if any(place.glob("dict.*.txt")):
                return place.resolve()
        looked = " or ".join(map(str, places))
        raise UserError(f"no dictionaries (dict.*.txt) in {looked}: give the model's data-bin: --data FOLDER")

    def _languages(self, state: dict, checkpoint: Path) -> tuple[str, str]:
        """As training was told them, or as it inferred them: it then kept that, or its data still show it."""
        task, kept = self.configuration.task, state.get("task_state", {})
        if not hasattr(task, "source_lang"):
            raise UserError(f"--checkpoint {checkpoint}: not a translation model: give one that fairseq-train wrote")
        languages = task.source_lang or kept.get("source_lang"), task.target_lang or kept.get("target_lang")
        if None in languages:
            languages = data_utils.infer_language_pair(str(self.data))
        missing = [
            name for name in (f"dict.{language}.txt" for language in languages) if not (self.data / name).is_file()
        ]
        if missing or None in languages:
            raise UserError(
                f"{self.data}: not the data that {checkpoint} was trained on ({', '.join(missing)} missing): give its "
                "data-bin: --data FOLDER"
            )
        return languages

    def _task(self):
        cfg = self.configuration.task
        name = getattr(cfg, "_name", None)
        if name == "translation":  # ours knows what its pieces are
            known = OmegaConf.structured(TranslationBBPEConfig())
            values = {key: value for key, value in OmegaConf.to_container(cfg).items() if key in known}
            with open_dict(known):
                cfg = OmegaConf.merge(known, values)
        with open_dict(cfg):
            cfg.data, cfg.source_lang, cfg.target_lang = str(self.data), self.source, self.target
            cfg.eval_bleu = False
        return TranslationBBPE.setup_task(cfg) if name == "translation" else tasks.setup_task(cfg)

    def _model(self, checkpoint: Path, state: dict):
        try:
            (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task(
                [str(checkpoint)], task=self.task, state=state
            )
        except (UserError, OSError):
            raise
        except Exception as error:  # a foreign model fails in as many ways as there are models
            raise UserError(
                f"--checkpoint {checkpoint}: does not fit the data in {self.data} ({_last_line(error)}): give its own "
                "data-bin: --data FOLDER"
            ) from None
        return model

    @property
    def dictionaries(self) -> tuple[set[str], set[str]]:
        """As `Engine.dictionaries`."""
        source, target = self.task.source_dictionary, self.task.target_dictionary
        return set(source.symbols[source.nspecial :]), set(target.symbols[target.nspecial :])

    def search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        """As `Engine.search_all`."""
        generator = self.task.build_generator(self.models, Namespace(**vars(options)))
        for batch in batches:
            yield self._search(generator, batch, options.nbest)

    def _search(self, generator, batch: list[Pieces], nbest: int) -> list[list[Found]]:
        source, target = self.task.source_dictionary, self.task.target_dictionary
        rows = [torch.tensor([*map(source.index, pieces), source.eos()]) for pieces in batch]
        dataset = self.task.build_dataset_for_inference(rows, [len(row) for row in rows])
        sample = dataset.collater([dataset[number] for number in range(len(rows))])
        sample = utils.apply_to_sample(lambda tensor: tensor.to(self.device), sample)
        found = self.task.inference_step(generator, self.models, sample)
        silent = {target.bos(), target.pad(), target.eos()}
        results: list[list[Found]] = [[] for _ in batch]
        for number, hypotheses in zip(sample["id"].tolist(), found, strict=True):
            results[number] = [
                Found(
                    [target[token] for token in hypothesis["tokens"].tolist() if token not in silent],
                    float(hypothesis["score"]) / math.log(2),
                )
                for hypothesis in hypotheses[:nbest]
            ]
        return results


def _read(checkpoint: Path) -> dict:
    refused = UserError(
        f"--checkpoint {checkpoint}: not a checkpoint of fairseq-train, or damaged: give one that it wrote, or copy it "
        "again"
    )
    try:
        state = checkpoint_utils.load_checkpoint_to_cpu(str(checkpoint))
        task, weights = state["cfg"].task, state["model"]
    except OSError:
        raise
    except Exception as error:  # torch's, pickle's and fairseq's own, whatever the bytes
        raise refused from error
    if task is None or not weights:
        raise refused
    return state


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
