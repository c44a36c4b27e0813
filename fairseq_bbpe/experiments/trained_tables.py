"""The kinds of tables that train: translation, contextualization, the language model, and saliency; and their plots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.language_model import report_bits
from fairseq_bbpe.experiments.plots import draw_contexts, draw_scores, whole_sets
from fairseq_bbpe.experiments.report import Report
from fairseq_bbpe.experiments.results import ends, of_text, rows_of
from fairseq_bbpe.experiments.significance import against
from fairseq_bbpe.experiments.system import Table
from fairseq_bbpe.experiments.system_report import of_systems
from fairseq_bbpe.experiments.train import best_checkpoint
from fairseq_bbpe.text.lines import read_lines


def report_on(jobs: list[Job], table: Table, command: list[str]) -> Report:
    """The report of jobs that have run."""
    if table.kind == "language_model":
        return report_bits(jobs, table, command)
    texts = {job.system.corpus: job.workspace.text(job.system.corpus) for job in jobs}
    corpora = {name: of_text(text) for name, text in texts.items()}
    rows = [row for job in jobs for row in rows_of(job, table.split, command, corpora[job.system.corpus])]
    shown = None
    for text in texts.values():
        if text.corpus.languages:
            shown = [*(shown or []), *ends(text.file("train", "lang"))]
    baselines = table.baselines.get(jobs[0].workspace.scale_name, [])
    tested = [section for each in baselines if (section := against(each, jobs, table.split))]
    return of_systems(table.title, rows, shown, jobs[0].workspace.scale, equal_of(jobs), tested)


def equal_of(jobs: list[Job]) -> str:
    """What the jobs' budgets have in common, in words."""
    budgets = dict.fromkeys(str(job.budget) for job in jobs if not job.system.frozen)
    if not budgets:
        return "nothing is trained"
    words = jobs[0].budget.equal if len({job.budget.unit for job in jobs}) == 1 else "nothing"
    return f"{words} ({', '.join(budgets)})"


def draw(report: Report, jobs: list[Job], table: Table, folder: Path, name: str) -> None:
    """The plots of a table; none of a language model, whose table has one figure a system."""
    folder.mkdir(parents=True, exist_ok=True)
    if table.kind == "saliency":
        _draw_saliency(jobs[0], folder / name, report)
    header, cells = report.tables[""]
    rows = [dict(zip(header, row, strict=True)) for row in cells]
    for metric in ("bleu", "chrf") if table.kind in ("context", "translation") else ():
        drawing = draw_contexts if table.kind == "context" else draw_scores
        drawing(whole_sets(rows), metric, f"{folder / name}_{metric}.png")


def _draw_saliency(job: Job, prefix: Path, report: Report) -> None:
    """Figure 6: for a sentence whose words can be told apart in a drawing, the first of 30 to 60 bytes."""
    text = job.workspace.text(job.system.corpus)
    lines = list(read_lines(text.file(text.tests[0], text.corpus.source)))
    sentence = next((line for line in lines if 30 <= len(line) <= 60), lines[0]).decode("utf-8", "replace")
    command = ["-m", "fairseq_bbpe.cli", "analyze", "saliency", job.data.folder, "--checkpoint", best_checkpoint(job)]
    command += ["--sentence", sentence, "--output", prefix]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{job.name}: the saliency was not drawn: {done.stderr.strip().splitlines()[-1:]}")
    report.notes.append(f"`{prefix.name}.png`: {sentence} -> {done.stdout.strip()}")
