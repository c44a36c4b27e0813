"""Segment raw text: lines from stdin, pieces joined by spaces to stdout.

Any bytes are fine, and 'decode --on-invalid keep' gives them back, white space and all. Lines end at newlines alone.
"""

import argparse
import sys

from fairseq_bbpe.cli.arguments import add_model, add_workers
from fairseq_bbpe.text.lines import map_lines
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

EXAMPLE = "fairseq-bbpe encode --model bbpe4k.model < train.en > train.bbpe.en"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `encode`."""
    add_model(parser)
    add_workers(parser)


def run(args: argparse.Namespace) -> None:
    """Encode stdin."""
    vocabulary = Vocabulary.load(args.model)

    def encode(lines: list[bytes]) -> list[bytes]:
        return [pieces.encode() for pieces in vocabulary.encode_lines(lines, args.workers)]

    map_lines(encode, sys.stdin.buffer, sys.stdout.buffer)
