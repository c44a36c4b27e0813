"""Commands without the seconds that importing torch takes: forks of a process that has imported it.

It would be a third of all the time of the tests. What runs is the command's own script in a process of its
own, with its own arguments, folder, environment, standard streams and exit status; the documentation's pages, the quick
start and whatever a test starts by itself begin from nothing.
"""

import itertools
import os
import pickle
import random
import runpy
import socket
import subprocess
import sys
import tempfile

SIZE = 1 << 20  # bytes of a request: arguments and environment


class Server:
    """A process that has imported torch and, for each command, forks."""

    def __init__(self, env: dict[str, str]):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], env=env, pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def run(self, argv, cwd, env, stdin: str) -> subprocess.CompletedProcess:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            streams = [file.fileno() for file in (given, out, err)]
            socket.send_fds(self.socket, [pickle.dumps((argv, str(cwd), env))], streams)
            status = pickle.loads(self.socket.recv(SIZE))
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(argv, status, out.read().decode(), err.read().decode())


class Servers:
    """Two in turn: sets of strings have another order in each, so that a training which depends on it is found out."""

    def __init__(self):
        self.turns, self.owner = None, 0

    def run(self, argv, cwd, env, stdin: str = "") -> subprocess.CompletedProcess:
        if self.owner != os.getpid():  # a fork of the tests, such as a mutant's, shares no socket with them
            self.owner = os.getpid()
            self.turns = itertools.cycle([Server(env), Server(env)])
        return next(self.turns).run([str(word) for word in argv], cwd, env, stdin)


def serve(requests: socket.socket):
    """Fork for each request and answer with its exit status; a fork returns what it shall run."""
    import hydra  # noqa: F401
    import numpy as np
    import torch  # noqa: F401

    while True:
        message, streams, _, _ = socket.recv_fds(requests, SIZE, 3)
        if not message:  # the tests have ended
            sys.exit()
        child = os.fork()
        if child == 0:
            requests.close()
            for stream, descriptor in enumerate(streams):
                os.dup2(descriptor, stream)
                os.close(descriptor)
            random.seed()
            np.random.seed()  # numbers that nobody seeded differ from process to process
            return pickle.loads(message)
        for descriptor in streams:
            os.close(descriptor)
        requests.send(pickle.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


if __name__ == "__main__":
    sys.argv, folder, env = serve(socket.socket(fileno=int(sys.argv[1])))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
