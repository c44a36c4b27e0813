"""Gather a checkpoint, without its optimizer's state, and what translation needs in a folder that can be copied.

'fairseq-bbpe translate --checkpoint FOLDER' runs it on any machine.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.export.trained_model import add_trained_model, load

EXAMPLE = "fairseq-bbpe export fairseq --checkpoint checkpoints/cldr/checkpoint_best.pt --output cldr-en"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export fairseq`."""
    add_trained_model(parser)


def run(args: argparse.Namespace) -> None:
    """Gather."""
    model = load(args)
    from fairseq_bbpe.export.fairseq_folder import export_fairseq

    export_fairseq(model, Path(args.checkpoint), Path(args.output))
