"""Commands without the seconds that importing torch and fairseq takes: forks of a process that has imported them.

It would be half of all the time of the tests. What runs is the command's own script in a process of its
own, with its own arguments, folder, environment, standard streams and exit status. The README, the quick start and what
tests kill or start by itself begin from nothing.
"""

import itertools
import logging
import os
import pickle
import random
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import warm_client

COMMANDS = ("fairseq-bbpe", "fairseq-train", "fairseq-generate", "fairseq-interactive", "fairseq-validate")


class Servers:
    """Two processes that have imported torch, and two that have imported fairseq too; started when first asked for.

    Two in turn, because sets of strings have another order in each: a training which depends on it is found out. They
    end when the tests do, by the end of a pipe.
    """

    def __init__(self):
        self.turns, self.owner = itertools.count(), 0

    def run(self, command: list[str], cwd, env, stdin: str | bytes = "") -> subprocess.CompletedProcess:
        """As `subprocess.run`; the output is of the type of `stdin`."""
        text = isinstance(stdin, str)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode() if text else stdin)
            given.seek(0)
            streams = (given.fileno(), out.fileno(), err.fileno())
            status = warm_client.ask(self.folder, command, str(cwd), env, streams, next(self.turns))
            out.seek(0)
            err.seek(0)
            printed = (out.read(), err.read())
        return subprocess.CompletedProcess(command, status, *(each.decode() if text else each for each in printed))

    def scripts(self, programs: Path) -> Path:
        """A folder of scripts named as the commands in `programs`, for a PATH: each has a warm process run its command.

        `python` among them does so for modules of fairseq and the plugin, and is Python for anything else.
        """
        folder = Path(self.folder, "scripts")
        if not folder.is_dir():
            folder.mkdir()
            for name in ("python", *COMMANDS):
                words = shlex.join([sys.executable, "-SE", warm_client.__file__, self.folder, str(programs / name)])
                (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
                (folder / name).chmod(0o755)
        return folder

    @property
    def folder(self) -> str:
        """Where they listen."""
        if self.owner != os.getpid():  # a fork of the tests, such as a mutant's, has its own
            self.started = tempfile.mkdtemp(prefix="warm")
            end, self.leash = os.pipe()
            for turn in range(2):
                listeners = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
                for listener, kind in zip(listeners, ("torch", "fairseq"), strict=True):
                    listener.bind(f"{self.started}/{kind}{turn}")
                    listener.listen(64)
                descriptors = [*(listener.fileno() for listener in listeners), end]
                # What torch has imported with two threads computes other last bits, though its forks have one.
                one = {**os.environ, "OMP_NUM_THREADS": "1"}
                subprocess.Popen([sys.executable, __file__, *map(str, descriptors)], pass_fds=descriptors, env=one)
                for listener in listeners:
                    listener.close()
            os.close(end)
            self.owner = os.getpid()  # last: where a process cannot be started, the next call must not find it done
        return self.started


def serve(torch_only: socket.socket, with_fairseq: socket.socket, leash: int) -> tuple[list[str], str, dict[str, str]]:
    """Answer each request with the exit status of a fork; what that fork shall run is returned, in it."""
    import hydra  # noqa: F401
    import numpy as np
    import torch  # noqa: F401

    if os.fork():
        listener = torch_only
        with_fairseq.close()
    else:
        listener = with_fairseq
        torch_only.close()
        import fairseq  # noqa: F401

    while True:
        ready, _, _ = select.select([listener, leash], [], [])
        if leash in ready:
            shutil.rmtree(os.path.dirname(listener.getsockname()), ignore_errors=True)
            os._exit(0)
        connection, _ = listener.accept()
        # Commands run side by side, as those of a pipe do: a fork waits for each.
        waiting = os.fork()
        if waiting:
            connection.close()
            while os.waitpid(-1, os.WNOHANG)[0] not in (0, waiting):  # those that have ended
                pass
            continue
        listener.close()
        os.close(leash)
        message, streams, _, _ = socket.recv_fds(connection, warm_client.SIZE, 3)
        command = os.fork()
        if command:
            for descriptor in (0, 1, 2, *streams):
                os.close(descriptor)
            watch(command, connection)
        connection.close()
        for stream, descriptor in enumerate(streams):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        # What Python made of the streams before may be of files, and these of pipes.
        sys.stdin = os.fdopen(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)
        random.seed()
        np.random.seed()  # numbers that nobody seeded differ from process to process
        return pickle.loads(message)


def watch(command: int, connection: socket.socket):
    """Send the exit status when a process ends; end it where who asked has gone."""
    ended = os.pidfd_open(command)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(command, signal.SIGTERM)
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with suppress(OSError):
        connection.send(pickle.dumps(status))
    os._exit(0)


def main(torch_only: int, with_fairseq: int, leash: int):
    sys.argv, folder, env = serve(socket.socket(fileno=torch_only), socket.socket(fileno=with_fairseq), leash)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.executable = env.get("WARM_PYTHON", sys.executable)
    if os.path.basename(sys.argv[0]) == "fairseq-train" or sys.argv[1:3] == ["-m", "fairseq_cli.train"]:
        logging.root.handlers.clear()
        logging.root.setLevel(logging.WARNING)
    if sys.argv[1:2] == ["-m"]:
        del sys.argv[:2]
        sys.path[0] = folder
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(sys.argv[0])
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
