"""Continue a prompt with a ByteNet Decoder, byte by byte; print the continuation alone, one after another.

The prompt, of any size, is read in parallel chunks; each new byte then costs the same. What follows it is
valid UTF-8. With --valid-utf8 off, or after a prompt that ends inside a character, as many of its characters as
possible are recovered (Eq. 1 of the BBPE paper).
"""

import argparse
import sys

from fairseq_bbpe.cli.arguments import add_checkpoint, positive
from fairseq_bbpe.errors import UserError, check_checkpoints
from fairseq_bbpe.text.recovery import ON_INVALID, recover

EXAMPLE = "echo 'In 1815 ' | fairseq-bbpe lm complete --checkpoint checkpoint_best.pt --bytes 100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `complete`."""
    add_checkpoint(parser, "a trained model of --arch bytenet_lm")
    parser.add_argument("--prompt", metavar="TEXT", help="what to continue (default: all of stdin, any bytes)")
    parser.add_argument("--bytes", type=positive, default=200, metavar="N", help="to add (default: %(default)s)")
    parser.add_argument("--beam", type=positive, metavar="N", help="search for the likeliest, N hypotheses at a time")
    parser.add_argument("--samples", type=positive, default=1, metavar="N", help="to draw (default: %(default)s)")
    parser.add_argument("--topk", type=positive, metavar="K", help="sample from the K most likely bytes")
    parser.add_argument(
        "--topp", type=float, metavar="P", help="nucleus sampling: the smallest set of bytes with total probability P"
    )
    parser.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of sampling (default: 1)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of sampling (default: %(default)s)")
    parser.add_argument(
        "--valid-utf8",
        choices=("on", "off"),
        default="on",
        help="whether only bytes are searched, or drawn, that make valid UTF-8 (default: %(default)s)",
    )
    parser.add_argument(
        "--on-invalid",
        choices=ON_INVALID,
        default="recover",
        help="bytes that belong to no valid character: recover drops them, replace leaves a U+FFFD for each run, "
        "strict stops and names the first (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Read the prompt, and continue it."""
    if args.temperature <= 0:
        raise UserError(f"--temperature {args.temperature}: give more than 0; --beam searches for the likeliest")
    if args.topp is not None and not 0 < args.topp < 1:
        raise UserError(f"--topp {args.topp}: give a probability between 0 and 1")
    sampling = [args.topk, args.topp, args.samples > 1 or None, args.temperature != 1 or None]
    if args.beam and any(option is not None for option in sampling):
        raise UserError("--beam searches: leave out --samples, --topk, --topp and --temperature")
    if args.topk and args.topp:
        raise UserError("--topk and --topp: choose one")
    check_checkpoints(args.checkpoint)
    prompt = sys.stdin.buffer.read() if args.prompt is None else args.prompt.encode("utf-8", "surrogateescape")

    import numpy as np
    import torch
    from fairseq.search import BeamSearch, Sampling

    import fairseq_bbpe.plugin  # noqa: F401
    from fairseq_bbpe.models.bytenet_lm import load_decoder
    from fairseq_bbpe.search.byte_stream import continue_bytes

    decoder = load_decoder(args.checkpoint)
    if args.beam:
        strategy = BeamSearch(decoder.dictionary)
    else:
        strategy = Sampling(decoder.dictionary, args.topk or -1, args.topp or -1.0)
    torch.manual_seed(args.seed)
    found = continue_bytes(
        decoder,
        np.frombuffer(prompt, np.uint8),
        args.bytes,
        strategy,
        rows=args.beam or args.samples,
        temperature=args.temperature,
        valid_utf8=args.valid_utf8 == "on",
    )
    for bits, data in found[:1] if args.beam else found:
        print(recover(data, args.on_invalid))
        print(f"{len(data)} bytes, {bits / len(data):.3f} bits/byte", file=sys.stderr)
