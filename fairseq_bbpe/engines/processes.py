"""One engine in each of several processes, which share the batches among them."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from fairseq_bbpe.engines.search_options import Engine, Found, Pieces, SearchOptions
from fairseq_bbpe.errors import UserError

_engine: Engine


class EngineProcesses:
    """Engines that `load(device)` makes, one for each device, in processes of their own.

    Args:
        load: can be pickled.
        devices: names for torch; "cpu" several times makes several processes.
        alike: an engine that `load` made, in this process.
    """

    def __init__(self, load: Callable[[str], Engine], devices: list[str], alike: Engine) -> None:
        self.longest_source, self.dictionaries = alike.longest_source, alike.dictionaries
        context = get_context("spawn")
        names = context.SimpleQueue()
        self._flag = f"--{'workers' if devices[0] == 'cpu' else 'gpus'} {len(devices)}"
        for device in devices:
            names.put(device)
        self._pool = ProcessPoolExecutor(len(devices), context, initializer=_begin, initargs=(load, names))

    def search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        """As `Engine.search_all`.

        Raises:
            UserError: a process was killed, or could not load its engine.
        """
        try:
            yield from self._search_all(batches, options)
        except BrokenProcessPool:
            raise UserError(f"{self._flag}: a process was killed, perhaps for memory: give fewer") from None

    def _search_all(self, batches: Iterable[list[Pieces]], options: SearchOptions) -> Iterator[list[list[Found]]]:
        # The one who began them decides when to stop: Ctrl-C reaches every process of a terminal.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            waiting = deque(self._pool.submit(_search, batch, options) for batch in batches)
        finally:
            signal.signal(signal.SIGINT, before)
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """Stop the processes, whatever they are doing."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _begin(load: Callable[[str], Engine], devices) -> None:
    global _engine
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _engine = load(devices.get())


def _search(batch: list[Pieces], options: SearchOptions) -> list[list[Found]]:
    return next(iter(_engine.search_all([batch], options)))
