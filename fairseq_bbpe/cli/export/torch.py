"""Write a Transformer as two programs of torch.export, which run without fairseq and this package, in any context.

One reads the source, the other takes a decoding step; docs/deployment.md has the loop around them.
"""

import argparse
import logging
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_checkpoint, add_output

EXAMPLE = "fairseq-bbpe export torch --checkpoint checkpoint_best.pt --output exported"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export torch`."""
    add_checkpoint(parser, "a trained model's file")
    parser.add_argument("--data", metavar="FOLDER", help="the data-bin (default: found through the checkpoint)")
    add_output(parser, "FOLDER", "to make")


def run(args: argparse.Namespace) -> None:
    """Trace and write."""
    logging.disable(logging.INFO)  # fairseq's account of what it loads
    from fairseq_bbpe.engines.fairseq_models import FairseqModels
    from fairseq_bbpe.export.torch_programs import export_torch

    engine = FairseqModels([Path(args.checkpoint)], None if args.data is None else Path(args.data))
    export_torch(engine, Path(args.output))
