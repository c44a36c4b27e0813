"""Write a Transformer as two programs of torch.export, which run without fairseq and this package, in any context.

One reads the source, the other takes a decoding step; docs/deployment.md has the loop around them.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.export.trained_model import add_trained_model, load

EXAMPLE = "fairseq-bbpe export torch --checkpoint checkpoint_best.pt --output exported"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export torch`."""
    add_trained_model(parser)


def run(args: argparse.Namespace) -> None:
    """Trace and write."""
    model = load(args)
    from fairseq_bbpe.export.torch_programs import export_torch

    export_torch(model, Path(args.output))
