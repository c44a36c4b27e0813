"""Print the tokens of raw text, lines from stdin to stdout, as Figures 1 and 5 of the BBPE paper do.

Spaces separate the tokens, and a space of the text is an underscore. Inside a token, whole characters are text, and
bytes of partial characters two hexadecimal digits each, as are characters that do not print.
"""

import argparse
import sys

from fairseq_bbpe.cli.arguments import add_model, add_workers
from fairseq_bbpe.text.display import show_pieces
from fairseq_bbpe.text.lines import map_lines
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

EXAMPLE = "fairseq-bbpe show --model bbpe4k.model < test.ja"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    add_model(parser)
    add_workers(parser)


def run(args: argparse.Namespace) -> None:
    """Show the tokens of stdin."""
    vocabulary = Vocabulary.load(args.model)

    def show(lines: list[bytes]) -> list[bytes]:
        return [show_pieces(pieces).encode() for pieces in vocabulary.encode_lines(lines, args.workers)]

    map_lines(show, sys.stdin.buffer, sys.stdout.buffer)
