"""Convert a trained Transformer to CTranslate2, exactly: --embed-context none, or conv in one layer.

'fairseq-bbpe translate --checkpoint FOLDER' runs the result, faster, and on machines without torch and fairseq; its
search has no rule of valid UTF-8, so what is not valid is recovered from. Anything that has no exact equal is refused.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from fairseq_bbpe.cli.export.trained_model import add_trained_model, load
from fairseq_bbpe.errors import UserError

EXAMPLE = "fairseq-bbpe export ctranslate2 --checkpoint checkpoint_best.pt --output exported --quantization int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export ctranslate2`."""
    add_trained_model(parser)
    parser.add_argument(
        "--quantization", choices=("int8", "int16", "float16"), help="of the weights (default: none, which is exact)"
    )


def run(args: argparse.Namespace) -> None:
    """Convert."""
    if find_spec("ctranslate2") is None:
        raise UserError("ctranslate2 is not installed in this Python: pip install ctranslate2")
    model = load(args)
    from fairseq_bbpe.export.ctranslate2_folder import export_ctranslate2

    export_ctranslate2(model, Path(args.output), args.quantization)
