"""Commands as processes that end when this one does, in whatever way, and whose last words become an error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from fairseq_bbpe.errors import UserError

# Linux ends the command when the process that waits for it is gone, even by SIGKILL: an orphan would go on writing
# into the folder that the next run resumes from.
FOLLOW = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
except (OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Interrupted(Exception):
    """Another system failed, or the user has had enough: nothing new begins."""


class Processes:
    """The commands that run now; each belongs to the thread that waits for it."""

    def __init__(self):
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        command: list[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        what: str,
        each_line: Callable[[str], None] = lambda line: None,
        append: bool = False,
    ) -> None:
        """Run `python -m MODULE ...`; its output goes to `log`, and each line of it to `each_line`.

        Raises:
            UserError: it failed; with the last line that it wrote, and where the rest is.
            Interrupted: `stop` was called.
        """
        follow = [sys.executable, "-c", FOLLOW, str(os.getpid()), sys.executable, *map(str, command)]
        last = "it said nothing"
        with open(log, "a" if append else "w", encoding="utf-8") as file:
            with self._lock:
                if self._stopped:
                    raise Interrupted
                process = subprocess.Popen(
                    follow,
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                )
                self._running.add(process)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    last = line.strip() or last
                    each_line(line)
                status = process.wait()
            finally:
                process.kill()
                process.wait()
                self._running.discard(process)
        if self._stopped:
            raise Interrupted
        if status:
            raise UserError(f"{what} failed with status {status}: {last[:200]}: {log} says all")

    def stop(self) -> None:
        """End all that run, and let nothing more begin."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def environment(threads: int, gpus: list[int] | None) -> dict[str, str]:
    """What a command gets: so many CPU threads, which spin a little while they wait, and only these GPUs."""
    variables = {
        "OMP_NUM_THREADS": str(threads),
        # Threads that spin for long at a barrier starve other processes. Those that sleep at once make two slower than
        # one. GNU's OpenMP takes the second of these, others the first.
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "3000"),
        "PYTHONWARNINGS": "ignore::UserWarning",  # torch's, about how fairseq calls it
    }
    if gpus is not None:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
    return variables
