"""The trained model that a command exports: its arguments, and how it is loaded."""

import argparse
import logging
from pathlib import Path
from typing import Any

from fairseq_bbpe.cli.arguments import add_checkpoint, add_output
from fairseq_bbpe.errors import UserError, check_checkpoints


def add_trained_model(parser: argparse.ArgumentParser) -> None:
    """Add `--checkpoint`, `--data` and the `--output` folder."""
    add_checkpoint(parser, "a trained model's file")
    parser.add_argument("--data", metavar="FOLDER", help="the data-bin (default: found through the checkpoint)")
    add_output(parser, "FOLDER", "to make")


def load(args: argparse.Namespace) -> Any:
    """The checkpoint as `FairseqModels`; raises `UserError` where it is none, or several."""
    checkpoint = Path(args.checkpoint)
    if ":" in args.checkpoint and not checkpoint.exists():  # several for `translate`
        raise UserError(f"--checkpoint {args.checkpoint}: an ensemble is no single model to export: give one of them")
    check_checkpoints(checkpoint)  # before the seconds in which torch is imported
    logging.disable(logging.INFO)  # fairseq's account of what it loads
    from fairseq_bbpe.engines.fairseq_models import FairseqModels

    return FairseqModels([checkpoint], None if args.data is None else Path(args.data))
