"""fairseq-train as a process, resumed after any kill; what it reached is read from its log's JSON and checkpoints."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fairseq_bbpe
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.flags import PLUGIN
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.process import Processes, environment
from fairseq_bbpe.experiments.workspace import read_state, write_state

STATE = "state.json"
QUIET = 30  # seconds between lines of progress


def best_checkpoint(job: Job) -> Path:
    """Of a trained system, the checkpoint of lowest validation loss."""
    return job.folder / "checkpoint_best.pt"


def told(job: Job) -> str:
    """The training's command but for its budget."""
    return job.told(["fairseq-train", *job.train_arguments(Path("START") if job.system.start else None)])


def check_resumable(job: Job) -> None:
    """Raise `UserError` where an earlier training in the job's folder had other options or went beyond its budget."""
    state, unit = job.state, job.budget.unit
    if state.get("command", told(job)) != told(job):
        _refuse_options(job, state["command"])
    start = job.start()
    if start is not None and start.spent and file_sha256(best_checkpoint(start)) != state.get("origin"):
        return  # begins again, from another state of what it starts from
    if asdict(job.budget) in (state.get("budget"), state.get("toward")):
        return  # that time may end a little after it was up
    reached = state.get("progress")
    if reached is None:  # a training that was killed
        mend_checkpoints(job.folder)
        reached = progress_of(job.folder)
    if job.budget.exceeded_by(reached):
        came = Budget(unit, reached[unit])
        raise UserError(f"{job.folder}: was trained for {came}, not {job.budget}: give as many, or another --output")


def _refuse_options(job: Job, command: str) -> None:
    ends = re.compile(r" --total-num-update (\S+)")
    if (last := ends.search(command)) and ends.sub("", command) == ends.sub("", told(job)):
        raise UserError(
            f"{job.folder}: its learning rate ends with update {last[1]}: give --updates {last[1]}, or another --output"
        )
    raise UserError(f"{job.folder}: was trained with other options: remove it, or give another --output")


def train(job: Job, start: Path | None, processes: Processes) -> None:
    """Train until the budget is spent; what was tuned from another state of `start` begins again."""
    path = job.folder / STATE
    state, origin = read_state(path), file_sha256(start) if start else None
    if state.get("origin", origin) != origin:
        shutil.rmtree(job.folder)  # its frozen parts are of a model that is not there any more
        state = {}
    budget = asdict(job.budget)
    if state.get("budget") == budget and best_checkpoint(job).exists():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    mend_checkpoints(job.folder)
    # What an earlier, shorter training reached is no longer what the checkpoints are of.
    state = {"command": told(job), "origin": origin, "forgotten": _forgotten(job.folder)}
    write_state(path, {**state, "toward": budget})
    if not job.budget.spent_by(progress_of(job.folder)):
        _train(job, start, processes)
    mend_checkpoints(job.folder)
    parameters, trainable = _parameters(job.folder / "train.log")
    reached = {"progress": progress_of(job.folder), "parameters": parameters, "trainable": trainable}
    where = {"hardware": job.trains_on, "commit": commit()}
    write_state(path, {**state, "budget": budget, **reached, **where})


def _train(job: Job, start: Path | None, processes: Processes) -> None:
    say(job, f"training for {job.budget}; the log is {job.folder / 'train.log'}")
    shown = time.monotonic()

    def show(line: str) -> None:
        nonlocal shown
        kind, event = parse_event(line)
        if kind == "valid" or (kind == "train_inner" and time.monotonic() - shown > QUIET):
            shown = time.monotonic()
            say(job, _progress_line(kind, event))

    processes.run(
        ["-m", "fairseq_cli.train", *job.train_arguments(start), *job.budget.flags],
        log=job.folder / "train.log",
        env=environment(job.hardware.threads, list(job.hardware.gpus) or None),
        what=f"{job.name}: fairseq-train",
        each_line=show,
        append=True,
    )


def say(job: Job, words: str) -> None:
    """A line of progress on stderr."""
    print(f"[{time.strftime('%H:%M:%S')} {job.name}, seed {job.seed}] {words}", file=sys.stderr, flush=True)


def parse_event(line: str) -> tuple[str, dict[str, Any]]:
    """The kind (train_inner, train, valid) and the figures of a line of `--log-format json`; ("", {}) of others.

    >>> parse_event('2026-01-31 12:00:00 | INFO | valid | {"epoch": 1, "valid_loss": "3.5"}')
    ('valid', {'epoch': 1, 'valid_loss': '3.5'})
    """
    _, _, rest = line.partition(" | INFO | ")
    kind, _, body = rest.partition(" | ")
    if kind not in ("train", "train_inner", "valid") or not body.startswith("{"):
        return "", {}
    return kind, json.loads(body)


def _progress_line(kind: str, event: dict[str, Any]) -> str:
    prefix = "valid_" if kind == "valid" else ""
    loss = event.get(f"{prefix}nll_loss") or event.get(f"{prefix}bits_per_byte") or event.get(f"{prefix}loss")
    updates = event.get(f"{prefix}num_updates", "?")
    return f"update {updates}: {'validation' if prefix else 'training'} loss {loss}"


def progress_of(folder: Path) -> dict[str, float]:
    """How far the last checkpoint came: updates, epochs, minutes, and the target tokens and sentences it has seen."""
    loaded = _last_checkpoint(folder)
    if loaded is None:
        return dict.fromkeys(("updates", "epochs", "minutes", "tokens", "sentences"), 0)
    extra, updates = loaded["extra_state"], loaded["optimizer_history"][-1]["num_updates"]
    # Meters of all updates: their sums are what the model has seen, and what they forgot when it was resumed.
    meters = {name: int(meter["sum"]) for _, name, _, meter in extra["metrics"]["default"] if name in ("wpb", "bsz")}
    forgotten = read_state(folder / STATE).get("forgotten") or {}
    if forgotten.get("updates", updates) == updates:  # nothing was saved since
        forgotten = {}
    return {
        "updates": updates,
        "epochs": extra["train_iterator"]["epoch"] - 1,
        "minutes": round(extra["previous_training_time"] / 60, 4),
        "tokens": meters.get("wpb", 0) + forgotten.get("tokens", 0),
        "sentences": meters.get("bsz", 0) + forgotten.get("sentences", 0),
    }


def _forgotten(folder: Path) -> dict[str, float] | None:
    """What the model has seen and fairseq will not know: a training that goes on from an epoch's end counts anew."""
    loaded = _last_checkpoint(folder)
    if loaded is not None and loaded["extra_state"]["train_iterator"]["iterations_in_epoch"] == 0:
        return progress_of(folder)
    return read_state(folder / STATE).get("forgotten")


def _last_checkpoint(folder: Path) -> dict[str, Any] | None:
    path = folder / "checkpoint_last.pt"
    if not path.exists():
        return None
    from fairseq.checkpoint_utils import load_checkpoint_to_cpu

    return load_checkpoint_to_cpu(str(path))


def mend_checkpoints(folder: Path) -> None:
    """Put a whole checkpoint in the place of one whose copying was cut short.

    fairseq writes one checkpoint whole and copies it to checkpoint_best.pt and then checkpoint_last.pt: a kill can
    leave the beginning of a copy, and what was copied is then the newest that is whole.
    """
    checkpoints = sorted(folder.glob("checkpoint*.pt"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    whole = [path for path in checkpoints if zipfile.is_zipfile(path)]
    last = folder / "checkpoint_last.pt"
    for path in checkpoints:
        if path not in whole and path != last:
            path.unlink()  # written again when the training that resumes comes there
    if whole and last not in whole:
        copy_whole(whole[0], last)
    elif not whole:
        last.unlink(missing_ok=True)
    best = folder / "checkpoint_best.pt"
    if whole and not best.exists():
        copy_whole(last, best)


def copy_whole(source: Path, destination: Path) -> None:
    """Copy a file under its name when it is whole."""
    part = destination.with_name(f"{destination.name}.part")
    shutil.copyfile(source, part)
    part.replace(destination)


def _parameters(log: Path) -> tuple[int, int]:
    """All, and those that train: fairseq says them in words alone."""
    words = re.compile(r"num\. shared model params: ([\d,]+) \(num\. trained: ([\d,]+)\)")
    with open(log, encoding="utf-8") as lines:
        found = [match.groups() for match in map(words.search, lines) if match]
    every, trained = (int(number.replace(",", "")) for number in found[-1])
    return every, trained


def commit() -> str:
    """The checkout's commit, or the version of an installed package, which may lie in another project's checkout."""
    try:
        if Path(_git("rev-parse", "--show-toplevel")) == PLUGIN.parent:
            return _git("describe", "--always", "--dirty")
    except (OSError, subprocess.CalledProcessError):
        pass
    return fairseq_bbpe.__version__


def _git(*command: str) -> str:
    """What git says of the folder of the package."""
    words = ["git", "-C", str(PLUGIN.parent), *command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def file_sha256(path: Path) -> str:
    """Of a file."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
