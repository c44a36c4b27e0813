"""A trained system's scores: fairseq-generate and BLEU on raw references, or fairseq-eval-lm and bits/byte."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.process import Processes, environment
from fairseq_bbpe.experiments.train import best_checkpoint, file_sha256, say, told
from fairseq_bbpe.experiments.workspace import read_state, write_state


def evaluate(job: Job, split: str, checkpoint: Path, processes: Processes) -> None:
    """Score a split with a checkpoint into SPLIT.json, unless it has been."""
    path, arguments = job.folder / f"{split}.json", score_arguments(job, split, checkpoint)
    made = {"checkpoint": file_sha256(checkpoint), "command": job.told(arguments)}
    if made.items() <= read_state(path).items():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    found = _bits if job.data.corpus.of_bytes else _translate
    write_state(path, {**made, **found(job, split, arguments, processes)})


def scores_hold(job: Job, split: str) -> bool:
    """Whether an earlier run's scores are of a training that ended, with the options that the YAML has now.

    Nor are they, where one of the checkpoints behind them has been trained further since.
    """
    start, scored = job.start(), read_state(job.folder / f"{split}.json")
    if not job.system.frozen:
        state = job.state
        try:
            whole = "budget" in state and state.get("command") == told(job)
        except UserError:  # with these options no training would begin
            return False
        if not whole or not (start is None or _is_still(best_checkpoint(start), state.get("origin"))):
            return False
    checkpoint = best_checkpoint(start if job.system.frozen and start is not None else job)
    command = job.told(score_arguments(job, split, checkpoint))
    return scored.get("command") == command and _is_still(checkpoint, scored.get("checkpoint"))


def _is_still(checkpoint: Path, sha256: str | None) -> bool:
    """Whether a checkpoint is the one that it was; one that was removed has not been trained further."""
    return not checkpoint.exists() or file_sha256(checkpoint) == sha256


def score_arguments(job: Job, split: str, checkpoint: Path) -> list[str]:
    """The module of the command that scores, and what it is told."""
    command = "eval_lm" if job.data.corpus.of_bytes else "generate"
    return [f"fairseq_cli.{command}", *job.score_arguments(checkpoint, split)]


def _run(job: Job, output: Path, arguments: list[str], processes: Processes) -> str:
    """Run the command, and return what it wrote."""
    processes.run(
        ["-m", *arguments],
        log=output,
        env=environment(job.hardware.threads, list(job.hardware.gpus[:1]) or None),
        what=f"{job.name}: {arguments[0].replace('_cli.', '-').replace('_', '-')}",
    )
    return output.read_text(encoding="utf-8", errors="surrogateescape")


def _translate(job: Job, split: str, arguments: list[str], processes: Processes) -> dict[str, Any]:
    from fairseq_bbpe.scoring import read_hypotheses, score

    say(job, f"translating {split}")
    output = job.folder / f"{split}.out"
    said = _run(job, output, arguments, processes)
    speed = _find(r"\(([\d.]+) sentences/s, ([\d.]+) tokens/s\)", said, output)
    references, groups = job.workspace.text(job.system.corpus).references(split)
    scores = [found._asdict() for found in score(read_hypotheses(output), references, groups)]
    if len(scores) == 2:  # one set is all there are: by its name
        scores.pop(0)
    for found in scores:
        found["split"] = split
    return {"scores": scores, "sentences_s": float(speed[1]), "tokens_s": float(speed[2])}


def _bits(job: Job, split: str, arguments: list[str], processes: Processes) -> dict[str, Any]:
    say(job, f"scoring {split}")
    output = job.folder / f"{split}.out"
    return {"bits": float(_find(r"Loss \(base 2\): ([\d.]+),", _run(job, output, arguments, processes), output)[1])}


def _find(pattern: str, said: str, output: Path) -> re.Match[str]:
    """What fairseq says in words alone."""
    found = re.search(pattern, said)
    if found is None:
        raise UserError(f"{output}: fairseq's last line is missing: remove it, and run this again")
    return found
