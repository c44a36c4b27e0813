"""Gather a checkpoint, without its optimizer's state, and what translation needs in a folder that can be copied.

'fairseq-bbpe translate --checkpoint FOLDER' runs it on any machine.
"""

import argparse
import logging
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_checkpoint, add_output

EXAMPLE = "fairseq-bbpe export fairseq --checkpoint checkpoints/cldr/checkpoint_best.pt --output cldr-en"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export fairseq`."""
    add_checkpoint(parser, "a trained model's file")
    parser.add_argument("--data", metavar="FOLDER", help="the data-bin (default: found through the checkpoint)")
    add_output(parser, "FOLDER", "to make")


def run(args: argparse.Namespace) -> None:
    """Gather."""
    logging.disable(logging.INFO)  # fairseq's account of what it loads
    from fairseq_bbpe.engines.fairseq_models import FairseqModels
    from fairseq_bbpe.export.fairseq_folder import export_fairseq

    checkpoint = Path(args.checkpoint)
    engine = FairseqModels([checkpoint], None if args.data is None else Path(args.data))
    export_fairseq(engine, checkpoint, Path(args.output))
