"""One training: a system with a seed, what it runs on, and the arguments of its commands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.databin import BPE, DataBin
from fairseq_bbpe.experiments.flags import PLUGIN, to_flags
from fairseq_bbpe.experiments.system import Experiments, Model, System
from fairseq_bbpe.experiments.workspace import Workspace, read_state


@dataclass(frozen=True)
class Hardware:
    """What a training runs on: CPU threads, or GPUs by number."""

    name: str
    threads: int = 1
    gpus: tuple[int, ...] = ()
    bfloat16: bool = True  # whether it computes in bfloat16 where a system asks for it

    @property
    def flags(self) -> dict[str, Any]:
        """fairseq-train's, which go before a system's own."""
        if self.gpus:
            return {"bf16": True, "distributed-world-size": len(self.gpus)}
        return {"cpu": True} if self.bfloat16 else {"cpu": True, "bf16": False}

    def __str__(self) -> str:
        if self.gpus:
            return f"{len(self.gpus)} x {self.name}"
        return f"{self.name}, {self.threads} thread{'s' * (self.threads != 1)}"


@dataclass(frozen=True)
class Job:
    """A system with a seed in a workspace."""

    name: str
    seed: int
    budget: Budget
    hardware: Hardware
    workspace: Workspace
    experiments: Experiments

    @property
    def system(self) -> System:
        """What the YAML says of the system."""
        return self.experiments.systems[self.name]

    @property
    def model(self) -> Model:
        """What the YAML says of the model."""
        return self.experiments.models[self.system.model]

    @property
    def folder(self) -> Path:
        """Where its checkpoints, logs and scores lie."""
        return self.workspace.root / "systems" / self.name / f"seed{self.seed}"

    @property
    def data(self) -> DataBin:
        """Its text as fairseq reads it."""
        return DataBin(self.workspace, self.system.corpus, self.system.vocabulary, self.system.pairs)

    @property
    def state(self) -> dict[str, Any]:
        """What is known of its training; empty before."""
        return read_state(self.folder / "state.json")

    @property
    def spent(self) -> Budget | None:
        """What its training has spent; None unless that has ended."""
        found = self.state.get("budget")
        return Budget(**found) if found else None

    @property
    def byte_level(self) -> bool:
        """Whether its pieces spell bytes in our alphabet, so that invalid output can be counted."""
        return self.system.vocabulary is not None and self.data.kind in ("byte", "bbpe")

    def start(self) -> Job | None:
        """The job that this one starts from, which is taken as it is if it has ended."""
        if self.system.start is None:
            return None
        found = replace(self, name=self.system.start)
        return replace(found, budget=found.spent or found.budget)

    @property
    def update_freq(self) -> int:
        """Batches that each device collects for an update."""
        scale = self.workspace.scale
        return math.ceil(scale.tokens / (scale.max_tokens * max(1, len(self.hardware.gpus))))

    def options(self) -> dict[str, Any]:
        """fairseq-train's options but for folders, budget and hardware: all that the model depends on."""
        scale, scale_name = self.workspace.scale, self.workspace.scale_name
        own: dict[str, Any] = {}
        if self.system.context:
            own["embed-context"] = self.system.context
        if self.system.train:
            own["trainable"] = ",".join(self.system.train)
        if not self.data.corpus.of_bytes:
            own |= {"source-lang": self.data.corpus.source, "target-lang": self.data.corpus.target}
            own |= {"max-tokens": scale.max_tokens, "update-freq": self.update_freq}
        found = {
            "task": self.model.task,
            **self.model.flags,
            **getattr(self.model, scale_name),
            **own,
            "save-interval-updates": scale.validate_every,
            **self.system.flags.get(scale_name, {}),
            "seed": self.seed,
        }
        if found.get("lr-scheduler") == "polynomial_decay" and "total-num-update" not in found:
            # Its rate ends at 0 with the last update, so it has to know which that is.
            if self.budget.unit != "updates":
                raise UserError(
                    f"{self.name}: lr-scheduler polynomial_decay ends at an update: "
                    f"give --updates, or a budget of updates, not of {self.budget.unit}"
                )
            found["total-num-update"] = f"{self.budget.amount:.10g}"
        return found

    def train_arguments(self, start: Path | None = None) -> list[str]:
        """Of fairseq-train, without the budget."""
        options = self.options()
        if self.model.ngrams:
            for side, language in (("source", self.data.corpus.source), ("target", self.data.corpus.target)):
                options[f"{side}-ngrams"] = self.data.folder / f"ngrams.{language}.pt"
        options |= {
            "user-dir": PLUGIN,
            "finetune-from-model": start,
            "keep-interval-updates": 1,
            "no-epoch-checkpoints": True,
            "save-dir": self.folder,
            "log-format": "json",
            "log-interval": min(50, max(1, self.workspace.scale.validate_every // 4)),
            "num-workers": 4 if self.hardware.gpus else 0,
        }
        return [str(self.data.folder), *to_flags(options | self.hardware.flags)]

    def score_arguments(self, checkpoint: Path, split: str) -> list[str]:
        """Of fairseq-generate, or of fairseq-eval-lm for a file of bytes."""
        options: dict[str, Any] = {
            "user-dir": PLUGIN,
            "task": self.model.task,
            "path": checkpoint,
            "gen-subset": split,
            "cpu": not self.hardware.gpus,
        }
        if not self.data.corpus.of_bytes:
            bpe, option, file = BPE[self.data.kind]
            options |= {"source-lang": self.data.corpus.source, "target-lang": self.data.corpus.target}
            options |= {"beam": self.data.corpus.beam, "max-tokens": 12000, "bpe": bpe, option: self.data.folder / file}
        return [str(self.data.folder), *to_flags(options | self.model.generate)]

    @property
    def trains_on(self) -> str:
        """The hardware, and what it computes in, for the report."""
        return f"{self.hardware}, {'bfloat16' if '--bf16' in self.train_arguments() else 'float32'}"

    def told(self, arguments: list[str]) -> str:
        """A command's arguments without this machine's folders: what a later run must agree with."""
        words = " ".join(arguments)
        return words.replace(str(self.workspace.root), "OUTPUT").replace(str(PLUGIN.parent), "PROJECT")
