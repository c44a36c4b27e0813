"""Systems side by side: each one's text, training and scores, after the system that it starts from."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.evaluate import evaluate, score_arguments
from fairseq_bbpe.experiments.flags import check_flags
from fairseq_bbpe.experiments.job import Hardware, Job
from fairseq_bbpe.experiments.process import Interrupted, Processes
from fairseq_bbpe.experiments.train import best_checkpoint, check_resumable, told, train


def with_starts(jobs: Iterable[Job]) -> list[Job]:
    """The jobs, each after the one that it starts from, whether that is among them or not."""
    wanted = {(job.name, job.seed): job for job in jobs}
    ordered: dict[tuple[str, int], Job] = {}

    def add(job: Job) -> None:
        if (job.name, job.seed) not in ordered:
            start = job.start()
            if start is not None:
                add(wanted.get((start.name, start.seed), start))
            ordered[job.name, job.seed] = job

    for job in wanted.values():
        add(job)
    return list(ordered.values())


def check_jobs(jobs: list[Job]) -> None:
    """Find all that is wrong before any work: corpora, options, and what earlier runs left in the folders."""
    for job in jobs:
        if "arch" not in job.options():
            scale = job.workspace.scale_name
            raise UserError(f"--scale {scale}: models.{job.system.model}, of {job.name}, has no arch for it")
        job.data.check()
    new = {}
    for job in jobs:
        if not job.system.frozen:
            check_resumable(job)
            if job.state.get("command") != told(job):
                check_flags(f"systems.{job.name}", "fairseq-train", job.train_arguments())
                new[job.system.model] = job
    for job in new.values():  # before they train: their search comes last
        words = score_arguments(job, "test", best_checkpoint(job))
        check_flags(f"models.{job.system.model}.generate", words[0].replace("_cli.", "-").replace("_", "-"), words[1:])


def run_jobs(jobs: list[Job], wanted: set[tuple[str, int]], split: str, devices: list[Hardware]) -> None:
    """Train all and score those that are wanted, as many at a time as there are devices.

    Raises:
        UserError: one failed; the others were ended, and go on from their last checkpoints when run again.
    """
    free: SimpleQueue[Hardware] = SimpleQueue()
    for device in devices:
        free.put(device)
    processes, trained = Processes(), {(job.name, job.seed): threading.Event() for job in jobs}

    def one(job: Job) -> None:
        checkpoint, start = None, job.start()
        if start is not None:
            trained[start.name, start.seed].wait()
            checkpoint = best_checkpoint(start)
            if not checkpoint.exists():
                raise Interrupted
        device = free.get()
        try:
            _one(replace(job, hardware=device), checkpoint, (job.name, job.seed) in wanted, split, processes)
        finally:
            trained[job.name, job.seed].set()
            free.put(device)

    # A thread a job: one that waits for another's training holds no device.
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        futures: set[Future] = {pool.submit(one, job) for job in jobs}
        try:
            while futures:
                done, futures = wait(futures, return_when=FIRST_COMPLETED, timeout=0.5)
                # What failed comes before what it interrupted.
                failed = [error for each in done if (error := each.exception()) is not None]
                if failed:
                    raise min(failed, key=lambda error: isinstance(error, Interrupted))
        except BaseException:
            processes.stop()
            for event in trained.values():
                event.set()
            raise


def _one(job: Job, start: Path | None, scored: bool, split: str, processes: Processes) -> None:
    job.data.make(processes, job.hardware.threads)
    if job.model.ngrams:
        job.data.count_ngrams(processes, job.hardware.threads)
    if not job.system.frozen:
        train(job, start, processes)
    if scored:
        frozen = start if job.system.frozen else None
        evaluate(job, split, frozen or best_checkpoint(job), processes)
