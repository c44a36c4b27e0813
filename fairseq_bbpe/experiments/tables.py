"""From a table's name to its report: the YAML, all checks, the work, the writing."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.corpus import read_corpora
from fairseq_bbpe.experiments.devices import find_devices
from fairseq_bbpe.experiments.evaluate import scores_hold
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.measure import measure
from fairseq_bbpe.experiments.report import Report
from fairseq_bbpe.experiments.run import check_jobs, run_jobs, with_starts
from fairseq_bbpe.experiments.system import MEASURED, Experiments, Table, read_experiments
from fairseq_bbpe.experiments.train import say
from fairseq_bbpe.experiments.trained_tables import draw, report_on
from fairseq_bbpe.experiments.workspace import EXAMPLES, Workspace

PAPERS = ("bbpe", "bytenet")


def list_tables(config: Path | None) -> str:
    """The tables of a file, or of both papers, a line each."""
    lines = []
    for path in [config] if config else _papers():
        tables = read_experiments(path).tables
        lines += [
            f"{path.resolve().parent.name}/{name}".ljust(19) + f" {table.title}" for name, table in tables.items()
        ]
    return "\n".join(lines)


def _papers() -> list[Path]:
    found = [EXAMPLES / paper / "systems.yaml" for paper in PAPERS]
    for path in found:
        if not path.is_file():
            raise UserError(f"{path}: missing: give --config FILE, or run from a checkout of the project")
    return found


def find_table(name: str, config: Path | None) -> tuple[Path, Experiments, str]:
    """The file that has a table, what is in it, and the table's own name; raises `UserError` unless it is one."""
    paper, _, own = name.rpartition("/")
    candidates = [config] if config else [path for path in _papers() if paper in ("", path.parent.name)]
    read = {path: read_experiments(path) for path in candidates}
    found = [path for path in candidates if own in read[path].tables]
    if len(found) > 1:
        raise UserError(f"{name}: in both papers: give {' or '.join(f'{path.parent.name}/{own}' for path in found)}")
    if not found:
        known = ", ".join(dict.fromkeys(table for path in candidates for table in read[path].tables))
        raise UserError(f"{name}: no such table; choose from {known or 'those of bbpe/ and bytenet/'}")
    return found[0], read[found[0]], own


def reproduce(args: argparse.Namespace) -> str:
    """Make a table with all that it needs, and return its Markdown."""
    path, experiments, name = find_table(args.table, args.config)
    table = experiments.tables[name]
    if args.scale not in experiments.scales:
        raise UserError(f"--scale {args.scale}: {path} has {', '.join(experiments.scales)}")
    corpora = read_corpora(path.parent / experiments.corpora)
    if args.data is not None and not args.data.exists():
        raise UserError(f"--data {args.data}: no such folder: it holds raw files, such as x-en/train.src")
    for where, used in _used(experiments, table, name, args):
        if used not in corpora:
            raise UserError(f"{path}: {where}: {used}: {experiments.corpora} has {', '.join(corpora)}")
    if table.kind in MEASURED:
        for flag in ("systems", "minutes", "updates", "epochs", "seeds", "gpus"):
            if getattr(args, flag) is not None:
                raise UserError(f"--{flag}: {name} trains nothing: leave it out")
        workspace = _open(args, path, experiments, corpora)
        report = measure(workspace, table, name, path.parent, args.jobs, shlex.join(_command(args)))
    else:
        jobs = _jobs(args, path, experiments, table, corpora)
        report = _train(args, jobs, table, name)
        workspace = jobs[0].workspace
    folder = workspace.root / "tables"
    text = report.write(folder, name)
    return f"{text}\n{folder / name}.md has this table, and the files beside it the figures behind it."


def _used(experiments: Experiments, table: Table, name: str, args: argparse.Namespace) -> list[tuple[str, str]]:
    """The corpora of a table and of its systems, and where the YAML names each."""
    systems: list[str] = []
    for each in [*table.names(args.scale), *(args.systems or ())]:
        while each in experiments.systems and each not in systems:
            systems.append(each)
            each = experiments.systems[each].start
    used = [(f"tables.{name}.corpora", each) for each in table.corpora]
    return used + [(f"systems.{each}.corpus", experiments.systems[each].corpus) for each in systems]


def _open(args: argparse.Namespace, path: Path, experiments: Experiments, corpora) -> Workspace:
    paper = path.resolve().parent.name
    return Workspace.open(args.output, paper, args.scale, experiments.scales[args.scale], corpora, args.data)


def _jobs(args: argparse.Namespace, path: Path, experiments: Experiments, table: Table, corpora) -> list[Job]:
    """The jobs that are wanted, in the table's order."""
    scale = experiments.scales[args.scale]
    amounts = {"updates": args.updates, "minutes": args.minutes, "epochs": args.epochs}
    given = any(amounts.values())
    if not given:
        amounts = {"updates": scale.updates, "minutes": scale.minutes, "epochs": scale.epochs}
    budget = Budget.of(f"{path}: scales.{args.scale}", **amounts)
    names = args.systems or table.names(args.scale)
    for each in names:
        if each not in experiments.systems:
            known = ", ".join(table.names(args.scale))
            raise UserError(f"--systems {each}: no system of {path}; those of {args.table} are {known}")
    args.devices = find_devices(args.gpus, scale, args.scale, args.jobs)
    workspace = _open(args, path, experiments, corpora)

    def budget_of(system) -> Budget:
        own = None if given or budget.unit != "updates" else system.updates.get(args.scale)
        return Budget("updates", own) if own else budget

    return [
        Job(each, seed, budget_of(experiments.systems[each]), args.devices[0], workspace, experiments)
        for each in dict.fromkeys(names)
        for seed in dict.fromkeys(args.seeds or [1])
    ]


def _finished(jobs: list[Job], table: Table, scale: str) -> list[Job]:
    """The jobs, and all others of the table whose scores of earlier runs hold, in the table's order."""
    found = {(job.name, job.seed): job for job in jobs}
    names = [*table.names(scale), *(job.name for job in jobs)]
    for name in dict.fromkeys(names):
        for path in (jobs[0].workspace.root / "systems" / name).glob(f"seed*/{table.split}.json"):
            job = replace(jobs[0], name=name, seed=int(path.parent.name.removeprefix("seed")))
            job = replace(job, budget=job.spent or job.budget)
            if (job.name, job.seed) not in found:
                if scores_hold(job, table.split):
                    found[job.name, job.seed] = job
                else:
                    say(job, "left out: its training has not ended, or was of other options or another model")
    return sorted(found.values(), key=lambda job: (names.index(job.name), job.seed))


def _command(args: argparse.Namespace) -> list[str]:
    """What makes the table again, but for systems and budgets."""
    command = ["fairseq-bbpe", "reproduce", args.table, "--scale", args.scale]
    for flag, value in (("--data", args.data and "DATA"), ("--config", args.config), ("--gpus", args.gpus)):
        command += [flag, str(value)] if value is not None else []
    return command


def _train(args: argparse.Namespace, jobs: list[Job], table: Table, name: str) -> Report:
    every = with_starts(jobs)
    check_jobs(every)
    run_jobs(every, {(job.name, job.seed) for job in jobs}, table.split, args.devices)
    shown = _finished(jobs, table, args.scale)
    report = report_on(shown, table, _command(args))
    draw(report, shown, table, jobs[0].workspace.root / "tables", name)
    return report
