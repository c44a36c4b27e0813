"""The command `fairseq-bbpe`: every subcommand is a module of this folder with `add_arguments(parser)` and `run(args)`.

A subcommand's module is imported only when it is asked for, so that help comes at once.
"""

import argparse
import importlib
import os
import signal
import sys

from fairseq_bbpe import __version__
from fairseq_bbpe.errors import UserError

COMMANDS = {
    "learn": "learn a byte-level BPE vocabulary from raw text",
    "encode": "raw text -> pieces",
    "decode": "pieces, such as a model's hypotheses -> text, recovering what is not valid UTF-8",
    "show": "print the tokens of raw text: whole characters as text, partial ones in hexadecimal",
    "prepare": "raw parallel files -> a fairseq data-bin, and the commands to run next",
    "score": "BLEU and chrF of what fairseq-generate wrote, by language or test set",
    "ngrams": "count a data-bin's n-grams for ByteNet's input embeddings",
    "stats": "measure parallel text and vocabularies on it (BBPE paper, Tables 1, 3, 4, and Figures 2, 3, 5)",
    "draw": "draw a figure of the BBPE paper from tables",
    "lengths": "correlate the lengths of translated sentences (ByteNet paper, Figure 5)",
    "gradients": "draw which source and target words a translation depends on (ByteNet paper, Figure 6)",
    "split": "one file -> train, valid and test by bytes, for --task byte_language_modeling",
    "bits": "what every byte of a file costs under a ByteNet Decoder",
    "complete": "continue a prompt with a ByteNet Decoder",
    "baselines": "bits/byte of xz -9 and of an adaptive order-5 model",
}


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status: 0, 2 for a mistake in the command line or a file, 128 + a signal."""
    argv = sys.argv[1:] if argv is None else argv
    _plug_closed_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # They unwind the stack as Ctrl-C does, so that nothing half-made stays behind; nohup's choice is left.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        args = _parse(argv)
        args.run(args)
        sys.stdout.flush()
    except UserError as error:
        print(f"fairseq-bbpe: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        _finish_stdout()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _finish_stdout()
        name, problem = error.filename or "input or output", error.strerror or error
        print(
            f"fairseq-bbpe: error: {name}: {problem}: check that it is open, yours, and has space left", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _plug_closed_streams() -> None:
    """Let a stream that the shell closed (`<&-`) fail only when used, and keep its number from other files."""
    if sys.stdin is None:
        sys.stdin = open(os.open(os.devnull, os.O_WRONLY))  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _finish_stdout() -> None:
    """Write what is left; if that fails, let it go nowhere, for Python tries once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _parser(argv)
    args, unknown = parser.parse_known_args(argv)
    if unknown or "run" not in args:
        # The subcommand shows its own usage.
        refuse = getattr(args, "refuse", parser.error)
        refuse(f"unrecognized arguments: {' '.join(unknown or argv[:1])}")
    return args


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairseq-bbpe", description="Byte-level subwords for fairseq.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name in argv[:1]:
            module = importlib.import_module(f"fairseq_bbpe.cli.{name}")
            command = commands.add_parser(
                name,
                help=summary,
                description=module.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
            module.add_arguments(command)
            command.set_defaults(run=module.run, refuse=command.error)
        else:
            commands.add_parser(name, help=summary, add_help=False)
    return parser
