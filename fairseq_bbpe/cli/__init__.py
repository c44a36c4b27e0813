"""The command `fairseq-bbpe`: `commands` lists what there is.

A command's module is imported only when it is asked for, so that help comes at once.
"""

import argparse
import importlib
import os
import signal
import sys
import textwrap

from fairseq_bbpe import __version__
from fairseq_bbpe.cli.arguments import require_output
from fairseq_bbpe.cli.commands import COMMANDS, DESCRIPTION, GROUPS, MOVED
from fairseq_bbpe.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for a mistake in the command line or a file, 128 + a signal."""
    argv = sys.argv[1:] if argv is None else argv
    _plug_closed_streams()
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # names of files may be any bytes
    for number in (signal.SIGTERM, signal.SIGHUP):
        # They unwind the stack as Ctrl-C does, so that nothing half-made stays behind; nohup's choice is left.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        _refuse_moved(argv)
        args = _parse(argv)
        if "output" in args:
            require_output(args)
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


def _refuse_moved(argv: list[str]) -> None:
    """Say where a command of version 0.1.0 went."""
    if argv and argv[0] in MOVED:
        # `stats KIND` and `draw KIND` keep their second word.
        kind = [word.replace("isation", "ization") for word in argv[1:2] if argv[0] in ("stats", "draw")]
        there = " ".join([MOVED[argv[0]], *(word for word in kind if f"{MOVED[argv[0]]} {word}" in COMMANDS)])
        raise UserError(f"{argv[0]!r} is now 'fairseq-bbpe {there}': see 'fairseq-bbpe {there} --help'")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _parser(argv)
    args, unknown = parser.parse_known_args(argv)
    if unknown or "run" not in args:
        # The command shows its own usage.
        refuse = getattr(args, "refuse", parser.error)
        refuse(f"unrecognized arguments: {' '.join(unknown or argv[:1])}")
    return args


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fairseq-bbpe", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help="print the version")
    parsers = {"": parser.add_subparsers(title="commands", metavar="COMMAND", required=True)}
    for name, summary in COMMANDS.items():
        group, _, word = name.rpartition(" ")
        if group not in parsers:
            inner = parsers[""].add_parser(group, help=GROUPS[group], description=f"{GROUPS[group]}.")
            parsers[group] = inner.add_subparsers(title="commands", metavar="COMMAND", required=True)
        if name.split() == argv[: len(name.split())]:
            _add_command(parsers[group], name, word)
        else:
            parsers[group].add_parser(word, help=summary, add_help=False)
    return parser


def _add_command(commands, name: str, word: str) -> None:
    module = importlib.import_module(f"fairseq_bbpe.cli.{name.replace(' ', '.').replace('-', '_')}")
    command = commands.add_parser(
        word,
        help=COMMANDS[name],
        description=module.__doc__,
        epilog=f"example:\n{textwrap.indent(module.EXAMPLE.strip(), '  ')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(command)
    command.set_defaults(run=module.run, refuse=command.error)
