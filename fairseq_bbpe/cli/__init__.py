"""The command `fairseq-bbpe`: every subcommand is a module of this folder with `add_arguments(parser)` and `run(args)`.

A subcommand's module is imported only when it is asked for, so that help comes at once.
"""

import argparse
import importlib
import os
import signal
import sys

from fairseq_bbpe.errors import UserError

COMMANDS = {
    "learn": "learn a byte-level BPE vocabulary from raw text",
    "encode": "raw text -> pieces",
    "decode": "pieces, such as a model's hypotheses -> text, recovering what is not valid UTF-8",
    "show": "print the tokens of raw text: whole characters as text, partial ones in hexadecimal",
    "prepare": "raw parallel files -> a fairseq data-bin, and the commands to run next",
    "ngrams": "count a data-bin's n-grams for ByteNet's input embeddings",
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
    # SIGTERM unwinds the stack as Ctrl-C does, so that nothing half-made stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        args = _parser(argv).parse_args(argv)
        args.run(args)
        sys.stdout.flush()
    except UserError as error:
        print(f"fairseq-bbpe: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python flushes stdout once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairseq-bbpe", description="Byte-level subwords for fairseq.")
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
            command.set_defaults(run=module.run)
        else:
            commands.add_parser(name, help=summary, add_help=False)
    return parser
