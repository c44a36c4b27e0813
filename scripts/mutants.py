#!/usr/bin/env python3
"""Mutation testing: change the code in many small ways and count the changes that the fast tests notice.

Prints every mutant that survives, and killed / all for each file and package. A mutant lives in the memory of one
forked process: nothing on disk is ever changed. Only tests that start no process see it, so only they run. They run
once under a tracer, and a mutant is then given those that reach its statement, the fastest first.

    python scripts/mutants.py                                  # everything, at about a second a mutant
    python scripts/mutants.py --only fairseq_bbpe/text --sample 100
"""

import argparse
import ast
import gc
import os
import pickle
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutant_process import Plugin, Substitute, in_fork, run
from mutations import Mutation, mutations

ROOT = Path(__file__).resolve().parent.parent
# For each package the folders of tests that run for it.
TESTS = {
    "text": ["text", "vocabularies"],
    "vocabularies": ["vocabularies"],
    "modules": ["modules", "models/test_bytenet_reference.py", "models/test_bytenet.py", "transformer/test_decoder.py"],
    "search": ["search", "models/test_byte_lm_model.py"],
    "transformer": ["transformer"],
    "bytenet": ["models"],
    "models": ["models", "transformer/test_trainable.py"],
}
# Imported once, before the forks; never the package itself.
HEAVY = [
    "torch",
    "fairseq.models.transformer",
    "fairseq.tasks",
    "fairseq.options",
    "sentencepiece",
    "omegaconf",
    "yaml",
]
PASSED_OR_FAILED = (0, 1)  # pytest's statuses where every file of tests could be imported
SURVIVED = (0, 5)  # pytest's statuses where nothing failed, or nothing ran


def baseline(package: str, chosen: list[str] | None) -> Plugin:
    """Every test of a package once, or the chosen ones, traced."""
    files = chosen or [f"fairseq_bbpe/{package}", *(f"tests/{tests}" for tests in TESTS[package])]
    files = [file for file in files if (ROOT / file).exists()]
    with tempfile.TemporaryFile() as file:

        def work() -> int:
            plugin = Plugin(trace=True)
            status = run(files, plugin)
            sys.settrace(None)
            pickle.dump((dict(plugin.reached), plugin.seconds, plugin.outcomes), file)
            file.flush()
            return status

        status = os.waitstatus_to_exitcode(os.waitpid(in_fork(work, 1200), 0)[1])
        if status not in PASSED_OR_FAILED:
            sys.exit(f"{package}: the tests do not run: see python -m pytest {' '.join(files)}")
        file.seek(0)
        plugin = Plugin()
        reached, plugin.seconds, plugin.outcomes = pickle.load(file)
        plugin.reached.update(reached)
    counts = Counter(plugin.outcomes.values())
    print(f"{package}: {counts['passed']} tests in {sum(plugin.seconds.values()):.0f} s, skipped {counts['skipped']}")
    for name, outcome in plugin.outcomes.items():
        if outcome == "failed":
            print(f"  fails without any change, and is left out: {name}")
    return plugin


def start(path: Path, tree: ast.Module, mutation: Mutation, tests: list[str], seconds: float) -> int:
    """Start a process that tries the tests on a mutant of a file."""

    def work() -> int:
        mutation.apply()
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return run(files, Plugin(tests, finder=Substitute(name, tree)), "-x")

    return in_fork(work, 8 + 3 * seconds)


def survivors(path: Path, found: list[tuple[ast.Module, Mutation]], plugin: Plugin, jobs: int) -> Iterator[Mutation]:
    """Yield the mutations of a file that no test notices."""
    running: dict[int, Mutation] = {}

    def finished() -> Iterator[Mutation]:
        pid, status = os.wait()
        mutation = running.pop(pid)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) in SURVIVED:
            yield mutation

    for tree, mutation in found:
        tests = plugin.tests_of(str(path), mutation.lines)
        if not tests:
            yield mutation._replace(change=f"{mutation.change}  (no test reaches it)")
            continue
        running[start(path, tree, mutation, tests, sum(map(plugin.seconds.__getitem__, tests)))] = mutation
        if len(running) == jobs:
            yield from finished()
    while running:
        yield from finished()


def main() -> None:
    """Read the options, and try the mutants file by file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", help="file or folder of the package; may be repeated")
    parser.add_argument("--tests", action="append", help="file or folder of tests; default: those of the package")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants, drawn evenly; default: all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; default: 1")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="mutants tried at once; default: 1")
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT)]
    for name in HEAVY:
        __import__(name)
    sys.modules["torch"].set_num_threads(1)
    gc.freeze()  # a child that collects garbage would copy all of it

    chosen = [(ROOT / only).resolve() for only in args.only or ["fairseq_bbpe"]]
    files = [path for package in TESTS for path in sorted((ROOT / "fairseq_bbpe" / package).rglob("*.py"))]
    files = [path for path in files if any(path.is_relative_to(each) for each in chosen)]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    found = [(path, mutation) for path, tree in trees.items() for mutation in mutations(tree)]
    if args.sample is not None and args.sample < len(found):
        found = sorted(random.Random(args.seed).sample(found, args.sample), key=lambda pair: files.index(pair[0]))

    plugins: dict[str, Plugin] = {}
    killed, total = Counter(), Counter()
    for path in files:
        mine = [(trees[path], mutation) for other, mutation in found if other == path]
        if not mine:
            continue
        package = path.relative_to(ROOT).parts[1]
        if package not in plugins:
            plugins[package] = baseline(package, args.tests)
        alive = 0
        for mutation in survivors(path, mine, plugins[package], args.jobs):
            alive += 1
            print(f"  {path.relative_to(ROOT)}:{mutation.line}: {mutation.change}", flush=True)
        print(f"{path.relative_to(ROOT)}: {len(mine) - alive} / {len(mine)} killed", flush=True)
        killed[package] += len(mine) - alive
        total[package] += len(mine)
    for package in total:
        print(f"{package}: {killed[package]} / {total[package]} killed ({killed[package] / total[package]:.1%})")


if __name__ == "__main__":
    main()
