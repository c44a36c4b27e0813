"""Print what every byte of a file costs under a ByteNet Decoder: its offset, the byte in hexadecimal, bits.

The first byte has nothing before it and is left out. The file is read as one stream, with no windows, so the mean of
the third column is what `fairseq-eval-lm` must find; stderr tells it.
"""

import argparse
import sys

from tqdm import tqdm

from fairseq_bbpe.cli.arguments import add_checkpoint
from fairseq_bbpe.errors import check_checkpoints

EXAMPLE = "fairseq-bbpe lm bits --checkpoint checkpoint_best.pt --input data/test > bits.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bits`."""
    add_checkpoint(parser, "a trained model of --arch bytenet_lm")
    parser.add_argument("--input", required=True, metavar="FILE", help="any file of two bytes or more")


def run(args: argparse.Namespace) -> None:
    """Score the file."""
    check_checkpoints(args.checkpoint)
    import fairseq_bbpe.plugin  # noqa: F401
    from fairseq_bbpe.data.byte_file import ByteFile
    from fairseq_bbpe.models.bytenet_lm import load_decoder
    from fairseq_bbpe.search.byte_stream import stream_bits

    file = ByteFile(args.input, at_least=2, why="scoring: every byte after the first counts")
    decoder = load_decoder(args.checkpoint)
    offset, total = 1, 0.0
    with tqdm(total=len(file) - 1, unit="B", unit_scale=True, disable=None) as bar:
        for costs in stream_bits(decoder, file.bytes):
            here = file.bytes[offset : offset + len(costs)].tolist()
            lines = zip(range(offset, offset + len(costs)), here, costs.tolist(), strict=True)
            sys.stdout.writelines(f"{place}\t{byte:02x}\t{cost:.6f}\n" for place, byte, cost in lines)
            offset += len(costs)
            total += costs.sum()
            bar.update(len(costs))
    print(f"{args.input}: {offset - 1:,} bytes scored, {total / (offset - 1):.4f} bits/byte", file=sys.stderr)
