"""Turn pieces, lines from stdin, into the text that they spell, on stdout; of any byte-level vocabulary.

A model's hypothesis need not be valid UTF-8: as many characters as possible are recovered (Eq. 1 of the BBPE paper),
and stderr tells how many lines and bytes were not valid. A newline inside a hypothesis becomes a space.
"""

import argparse
import sys

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import map_lines
from fairseq_bbpe.text.recovery import ON_INVALID, recover
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

EXAMPLE = "fairseq-bbpe decode < hypotheses.bbpe > hypotheses.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `decode`."""
    parser.add_argument(
        "--on-invalid",
        choices=(*ON_INVALID, "keep"),
        default="recover",
        help="bytes that belong to no valid character: recover drops them, replace leaves a U+FFFD for each run, "
        "strict stops and names the first, keep writes them as they are (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Decode stdin."""
    decoder = Decoder(args.on_invalid)
    map_lines(lambda lines: map(decoder.decode, lines), sys.stdin.buffer, sys.stdout.buffer)
    invalid = f"{decoder.invalid_bytes} bytes in {decoder.invalid_lines} lines"
    print(f"decoded {decoder.lines} lines; not valid UTF-8: {invalid}", file=sys.stderr)


class Decoder:
    """Decodes lines and counts what was not valid."""

    def __init__(self, on_invalid: str):
        self.on_invalid = on_invalid
        self.lines = self.invalid_lines = self.invalid_bytes = 0

    def decode(self, pieces: bytes) -> bytes:
        """Decode one line of pieces to the bytes of one line of text; raises `UserError` under ``strict``."""
        self.lines += 1
        # surrogateescape: a line that is not UTF-8 itself holds no pieces, and passes through as the bytes it is.
        data = Vocabulary.decode(pieces.decode("utf-8", "surrogateescape"))
        if b"\n" in data:
            if self.on_invalid == "strict":
                offset = data.index(b"\n")
                raise UserError(f"line {self.lines}: byte {offset} is a newline: choose 'recover' to make it a space")
            data = data.replace(b"\n", b" ")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return self._decode_invalid(data)
        return data

    def _decode_invalid(self, data: bytes) -> bytes:
        self.invalid_lines += 1
        self.invalid_bytes += len(data) - len(recover(data).encode())
        if self.on_invalid == "keep":
            return data
        try:
            return recover(data, self.on_invalid).encode()
        except UserError as error:
            raise UserError(f"line {self.lines}: {error}") from None
