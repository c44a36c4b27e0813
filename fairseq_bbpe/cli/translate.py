"""Translate raw text, lines from stdin, to as many lines on stdout, in the same order, whatever their bytes.

The dictionaries and the vocabulary are those beside the checkpoint, or of the data-bin that it was trained on; or give
a folder that 'fairseq-bbpe export' made, which holds all it needs. An empty line gives an empty line. Lines appear as
soon as the lines that came with them are done.
"""

import argparse
import logging
import os
import stat
import sys
import warnings
from functools import partial

from fairseq_bbpe.cli.arguments import finite, positive
from fairseq_bbpe.engines.search_options import SearchOptions
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import map_lines

EXAMPLE = "fairseq-bbpe translate --checkpoint checkpoints/cldr/checkpoint_best.pt < text.de > text.en"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `translate`."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="PATH",
        help="a trained model's file, several with ':' between (an ensemble), or a folder that 'export' made",
    )
    parser.add_argument("--data", metavar="FOLDER", help="the data-bin (default: found through the checkpoint)")
    parser.add_argument("--model", metavar="PATH", help="the vocabulary (default: the one beside the data)")
    parser.add_argument("--beam", type=positive, default=5, metavar="N", help="hypotheses (default: %(default)s)")
    parser.add_argument(
        "--nbest", type=positive, default=1, metavar="N", help="lines to write for each line, best first (default: 1)"
    )
    parser.add_argument(
        "--scores", action="store_true", help="begin lines with the mean log2-probability of their pieces, and a tab"
    )
    parser.add_argument("--lenpen", type=finite, default=1.0, metavar="P", help="as fairseq-generate's (default: 1)")
    parser.add_argument(
        "--max-len-a",
        type=partial(finite, least=0),
        default=2.0,
        metavar="A",
        help="pieces that a translation may have for each of its",
    )
    parser.add_argument(
        "--max-len-b",
        type=partial(positive, least=0),
        default=200,
        metavar="B",
        help="source's, and B more (default: A 2, B 200)",
    )
    parser.add_argument(
        "--too-long",
        choices=("split", "refuse"),
        default="split",
        help="lines of more pieces than the model reads: translate them in parts, or stop there (default: %(default)s)",
    )
    parser.add_argument("--longest", type=positive, metavar="N", help="pieces that count as too long, if fewer")
    parser.add_argument(
        "--batch-pieces", type=positive, default=4096, metavar="N", help="in one batch (default: %(default)s)"
    )
    parser.add_argument(
        "--valid-utf8", choices=("on", "off"), default="on", help="keep to hypotheses that are valid (default: on)"
    )
    processes = parser.add_mutually_exclusive_group()
    processes.add_argument("--workers", type=positive, metavar="N", help="processes on the CPU (default: one)")
    processes.add_argument("--gpus", type=positive, metavar="N", help="GPUs, a process each (default: one, if any)")


def run(args: argparse.Namespace) -> None:
    """Translate stdin."""
    search = {name: getattr(args, name) for name in ("beam", "nbest", "lenpen", "max_len_a", "max_len_b", "valid_utf8")}
    SearchOptions(**search)  # a mistake is told before the seconds that loading takes

    # torch, about how fairseq calls it; and fairseq's account of what it loads.
    warnings.filterwarnings("ignore", category=UserWarning)
    logging.disable(logging.INFO)

    from fairseq_bbpe.translator import Translator, cuda_devices

    present = cuda_devices(args.checkpoint)
    if args.gpus and args.gpus > present:
        raise UserError(f"--gpus {args.gpus}: there are {present}: give as many, or leave it out")
    devices = ["cpu"] * (args.workers or 1)
    if not args.workers and present:
        devices = [f"cuda:{number}" for number in range(args.gpus or 1)]
    options = search | {name: getattr(args, name) for name in ("too_long", "longest", "batch_pieces")}
    translator = Translator.load(args.checkpoint, data=args.data, model=args.model, devices=devices, **options)
    try:
        with _progress() as bar:

            def translate(lines: list[bytes]) -> list[bytes]:
                end = bar.n + sum(len(line) + 1 for line in lines)
                found = translator.hypotheses(lines, bar.update)
                bar.update(min(end, bar.total or end) - bar.n)  # newlines and blank lines, which no batch had
                return [b"\n".join(_line(one, args.scores) for one in hypotheses) for hypotheses in found]

            map_lines(translate, sys.stdin.buffer, sys.stdout.buffer)
    finally:
        translator.close()


def _line(hypothesis, scores: bool) -> bytes:
    score = f"{hypothesis.score:.4f}\t" if scores else ""
    return (score + hypothesis.text).encode("utf-8", "surrogateescape")


def _progress():
    """A bar over the bytes of stdin, on a terminal only."""
    from tqdm import tqdm

    status = os.fstat(sys.stdin.fileno())
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    return tqdm(total=size, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), desc="translated")
