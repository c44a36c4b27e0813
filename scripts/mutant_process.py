"""pytest in a forked process, on code that lives in memory alone; and under a tracer, which test reaches which line."""

import ast
import os
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.machinery import PathFinder

import pytest
from hypothesis import Phase, settings

MEMORY = 12 << 30  # bytes of address space for a mutant


class Plugin:
    """Keeps the tests that are asked for (all without), and under `trace` records which statements each one reaches."""

    def __init__(self, wanted: list[str] | None = None, finder: object = None, trace: bool = False) -> None:
        self.order = {name: place for place, name in enumerate(wanted)} if wanted is not None else None
        self.finder = finder
        self.trace = trace
        self.reached: dict[tuple[str, int], set[str]] = defaultdict(set)  # path, line -> tests, or files of tests
        self.seconds: Counter[str] = Counter()
        self.outcomes: dict[str, str] = {}
        self.current = ""  # while test files are imported

    def pytest_sessionstart(self):
        profile = {"database": None, "derandomize": True, "deadline": None, "phases": [Phase.explicit, Phase.generate]}
        settings.register_profile("mutants", **profile)
        settings.load_profile("mutants")  # after conftest's own: a failure needs no shrinking
        if self.finder:
            sys.meta_path.insert(0, self.finder)  # before pytest's, which reads files with doctests itself
        if self.trace:
            threading.settrace(self._enter)
            sys.settrace(self._enter)

    def _enter(self, frame, event, arg):
        return self._line if "/fairseq_bbpe/" in frame.f_code.co_filename else None

    def _line(self, frame, event, arg):
        self.reached[frame.f_code.co_filename, frame.f_lineno].add(self.current)
        return self._line

    def pytest_collection_modifyitems(self, items):
        if self.order is not None:
            items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])

    def pytest_runtest_setup(self, item):
        self.current = item.nodeid.partition("::")[0]  # what a fixture reaches counts for every test of the file

    def pytest_runtest_call(self, item):
        self.current = item.nodeid

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.outcome != "passed" or report.when == "call":
            self.outcomes[report.nodeid] = report.outcome

    def tests_of(self, path: str, lines: range) -> list[str]:
        """The tests that reach any of the lines, the fastest first."""
        passed = {name for name, outcome in self.outcomes.items() if outcome == "passed"}
        found = set().union(*(self.reached[path, line] for line in lines))
        if "" in found:  # at import: whatever uses the file may notice, and a constant is used where no line is reached
            found |= set().union(*(names for (reached, _), names in self.reached.items() if reached == path))
            found |= {name for name in passed if self.seconds[name] < 3}
        return sorted((n for n in passed if n in found or n.partition("::")[0] in found), key=self.seconds.__getitem__)


def _skip_processes(*_, **__):
    pytest.skip("a process of its own would run the code as it is on disk")


def in_fork(work: Callable[[], int], seconds: float) -> int:
    """Start a process that ends with the status of `work`, or is killed after so many seconds of computing."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(int(6 * seconds))  # a thread that waits for another computes nothing
        subprocess.Popen.__init__ = _skip_processes
        status = work()
    finally:
        os._exit(status)


def run(files: list[str], plugin: Plugin, *options: str) -> int:
    """Run pytest on files of tests, in a process of its own; nobody reads why a test fails."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    quick = ["-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no", *options]
    return int(pytest.main([*quick, *files], plugins=[plugin]))


class Substitute:
    """Finds one module as others are found, and gives it other code."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module, self.tree = module, tree

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = PathFinder.find_spec(name, path, target)
        code = compile(self.tree, spec.origin, "exec")
        spec.loader.get_code = lambda _: code
        return spec
