"""What stands in for a command: it has a warm process (`warm_start.py`) run it, and ends as the command does.

Only of Python's library, and little of it: it starts in hundredths of a second.
"""

import array
import os
import pickle
import signal
import socket
import sys

SIZE = 1 << 20  # bytes of a request: arguments and environment
# Commands of the plugin that load models. The others find torch imported, but not fairseq, which would set logging up.
WITH_MODELS = {"export", "lm", "ngrams", "saliency", "translate"}


def ask(
    folder: str, command: list[str], cwd: str, env: dict[str, str], streams: tuple[int, int, int], turn: int
) -> int:
    """Run a command and return its exit status, negative for a signal.

    Args:
        folder: where the warm processes listen.
        command: a script of the environment and its arguments, or python, -m and a module of fairseq or of the plugin.
        streams: the descriptors that become its standard streams.
        turn: which of the processes of a kind runs it; any number.
    """
    name, *arguments = command[2:] if command[1:2] == ["-m"] else command
    ours = os.path.basename(name) in ("fairseq-bbpe", "fairseq_bbpe.cli")
    light = ours and not set(arguments[:2]) & WITH_MODELS
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(f"{folder}/{'torch' if light else 'fairseq'}{turn % 2}")
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
        connection.sendmsg([pickle.dumps((command, cwd, env))], [rights])
        return pickle.loads(connection.recv(SIZE))


if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    if os.path.basename(command[0]) == "python" and not (command[1:2] == ["-m"] and command[2].startswith("fairseq")):
        os.execv(command[0], command)
    status = ask(folder, command, os.getcwd(), dict(os.environ), (0, 1, 2), os.getpid())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
