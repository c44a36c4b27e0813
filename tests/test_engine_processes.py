"""Engines in processes of their own, one of which the system kills."""

import os
import signal

import pytest

from fairseq_bbpe.engines.processes import EngineProcesses
from fairseq_bbpe.engines.search_options import Found, SearchOptions
from fairseq_bbpe.errors import UserError


class Killed:
    """Echoes, but is killed for memory by a long sentence."""

    longest_source, dictionaries = 9, (set(), set())

    def search_all(self, batches, options):
        for batch in batches:
            if max(map(len, batch)) > self.longest_source:
                os.kill(os.getpid(), signal.SIGKILL)
            yield [[Found(pieces, 0.0)] for pieces in batch]


def load(device: str) -> Killed:
    return Killed()


def test_a_process_that_is_killed_is_told_in_one_line():
    engines = EngineProcesses(load, ["cpu", "cpu"], Killed())
    try:
        assert list(engines.search_all([[["a"]], [["b"]]], SearchOptions())) == [
            [[Found(["a"], 0.0)]],
            [[Found(["b"], 0.0)]],
        ]
        for _ in range(2):  # and when it is asked again
            with pytest.raises(UserError, match=r"^--workers 2: a process was killed, perhaps for memory: give fewer$"):
                list(engines.search_all([[["a"] * 10]], SearchOptions()))
    finally:
        engines.close()
