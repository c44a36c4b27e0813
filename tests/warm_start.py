"""Commands without the seconds that importing torch and fairseq takes: forks of a process that has imported them.

It would be half of all the time of the tests. What runs is the command's own script in a process of its
own, with its own arguments, folder, environment, standard streams and exit status; the documentation's pages, the quick
start and whatever a test starts by itself begin from nothing.
"""

import itertools
import logging
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
    """A process that has imported torch, or fairseq too, and for each command forks."""

    def __init__(self, kind: str, env: dict[str, str]):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, __file__, kind, str(theirs.fileno())], env=env, pass_fds=[theirs.fileno()]
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
    """Two in turn: sets of strings have another order in each, so that a training which depends on it is found out.

    fairseq's import sets logging up. Its own commands begin with it, but for fairseq-train, which sets logging up
    before; ours import it late or never. So theirs find fairseq imported, and ours do not.
    """

    def __init__(self):
        self.turns, self.owner = {}, 0

    def run(self, argv, cwd, env, stdin: str = "") -> subprocess.CompletedProcess:
        if self.owner != os.getpid():  # a fork of the tests, such as a mutant's, shares no socket with them
            self.owner, self.turns = os.getpid(), {}
        words = [str(word) for word in argv]
        kind = "torch" if os.path.basename(words[0]) == "fairseq-bbpe" else "fairseq"
        if kind not in self.turns:
            self.turns[kind] = itertools.cycle([Server(kind, env), Server(kind, env)])
        return next(self.turns[kind]).run(words, cwd, env, stdin)


def serve(kind: str, requests: socket.socket):
    """Fork for each request and answer with its exit status; a fork returns what it shall run."""
    import hydra  # noqa: F401
    import numpy as np
    import torch  # noqa: F401

    if kind == "fairseq":
        import fairseq  # noqa: F401

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
    sys.argv, folder, env = serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    if os.path.basename(sys.argv[0]) == "fairseq-train":
        logging.root.handlers.clear()
        logging.root.setLevel(logging.WARNING)
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
