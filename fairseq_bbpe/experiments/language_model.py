"""Table 2 of the ByteNet paper: bits/byte of language models on any file, and of compressors."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import BYTE_SPLITS
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.report import Report
from fairseq_bbpe.experiments.results import recompute
from fairseq_bbpe.experiments.system import Table
from fairseq_bbpe.experiments.workspace import EMBEDDED, read_state, write_state

ENWIK8 = "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8"  # SHA-256 of its 100,000,000 bytes
OURS = (
    *("system", "seed", "bits/byte", "updates", "minutes", "bytes trained on", "parameters"),
    *("hardware", "commit", "command"),
)


def report_bits(jobs: list[Job], table: Table, command: list[str]) -> Report:
    """The paper's rows and ours; a difference to the paper's only where the file is enwik8."""
    splits = [jobs[0].data.folder / split for split in BYTE_SPLITS]
    sha256 = _sha256(splits)
    rows = [_row(job, command) for job in jobs]
    scored = {job.system.label: row[2] for job, row in zip(jobs, rows, strict=True)}
    header = ["model", "paper, enwik8", "ours"] + (["difference"] if sha256 == ENWIK8 else [])
    beside = []
    for model, figure in table.rows.items():
        ours = scored.get(model)
        beside.append([model, f"{figure:.2f}", "-" if ours is None else f"{ours:.4f}"])
        if sha256 == ENWIK8:
            beside[-1].append("-" if ours is None else f"{ours - figure:+.4f}")
    others = [[model, "-", f"{bits:.4f}"] for model, bits in scored.items() if model not in table.rows]
    others += [[name, "-", bits] for name, bits in _compressors(jobs[0], splits)]
    beside += [row + ["-"] * (len(header) - 3) for row in others]
    size, tested = sum(map(os.path.getsize, splits)), os.path.getsize(splits[2])
    name = jobs[0].workspace.data.name if jobs[0].workspace.data else EMBEDDED
    notes = [
        f"Bits/byte on the last {tested:,} of {size:,} bytes of {name}, sha256 {sha256[:12]}."
        + ("" if sha256 == ENWIK8 else " It is not enwik8: the paper's figures stand beside ours, and do not compare."),
        f"The first row again: `{rows[0][-1]}`",
    ]
    if not jobs[0].workspace.scale.results:
        notes.insert(0, "**This scale trains for minutes: it says that all runs, and nothing about the model.**")
    sections = [("", header, beside), ("What each took", OURS[:-1], [row[:-1] for row in rows])]
    return Report(table.title, {"": (OURS, rows)}, sections, notes)


def _row(job: Job, command: list[str]) -> list:
    state, progress = job.state, job.state["progress"]
    bits = read_state(job.folder / "test.json")["bits"]
    took = [progress["updates"], round(progress["minutes"], 2), progress["tokens"], state["parameters"]]
    return [job.name, job.seed, bits, *took, state["hardware"], state["commit"], recompute(job, command)]


def _sha256(splits: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in splits:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _compressors(job: Job, splits: list[Path]) -> list[tuple[str, str]]:
    """Name and bits/byte of xz and of an adaptive model, which have seen train and valid too; kept once computed."""
    path = job.data.folder / "baselines.json"
    found = read_state(path)
    if not found:
        command = ["-m", "fairseq_bbpe.cli", "lm", "baselines", "--history", *splits[:2], "--input", splits[2]]
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{job.data.folder}: the compressors failed: {done.stderr.strip().splitlines()[-1:]}")
        found = {"baselines": [line.split("\t") for line in done.stdout.splitlines()]}
        write_state(path, found)
    return [tuple(row) for row in found["baselines"]]
