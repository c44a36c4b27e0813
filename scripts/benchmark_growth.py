#!/usr/bin/env python
"""How the cost of generation grows with length, vocabulary, beam and width: our decoder beside fairseq's, in Markdown.

An untrained Transformer with a Bi-GRU, 256 wide with 2 + 2 layers (6 + 6 where it is wider), translates one sentence
into exactly as many symbols as the source has. Both decoders have its weights and take turns; what counts is the
symbols a second of the whole, and how often ours writes the same number in fairseq's time.
"""

import argparse
import statistics
import time
from argparse import Namespace

import torch
from benchmark_generation import with_fairseqs_decoder
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from fairseq.sequence_generator import SequenceGenerator

import fairseq_bbpe.plugin  # noqa: F401

USUAL = {"symbols": 32, "vocabulary": 4096, "beam": 5, "width": 256}
AXES = {
    "symbols": [16, 64, 256, 1024, 2048],
    "vocabulary": [256, 1024, 4096, 16384, 32768],
    "beam": [1, 2, 4, 8, 16],
    "width": [256, 512, 1024],
}


def a_model(vocabulary: int, width: int):
    """An untrained model, and its dictionary of so many symbols."""
    layers = 2 if width <= 256 else 6
    shape = {"embed_dim": width, "ffn_embed_dim": 4 * width, "layers": layers, "attention_heads": width // 64}
    dictionary = Dictionary()
    for number in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(str(number))
    arch = "transformer_bbpe_ctx_tiny"
    sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in shape.items()}
    longest = {"max_source_positions": 4096, "max_target_positions": 4096}
    args = Namespace(arch=arch, share_all_embeddings=True, **sizes, **longest)
    ARCH_CONFIG_REGISTRY[arch](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return ARCH_MODEL_REGISTRY[arch].build_model(args, task).eval().requires_grad_(False), dictionary


def seconds(generator: SequenceGenerator, model, sample: dict) -> float:
    """For one sentence; one thread is timed by the processor's time, which other processes' work does not count in."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    generator.generate([model], sample)
    return clock() - start


def measure(symbols: int, vocabulary: int, beam: int, width: int, rounds: int) -> tuple[float, list[float]]:
    """Our symbols a second, the median of rounds, and the ratios of fairseq's time to ours."""
    model, dictionary = a_model(vocabulary, width)
    models = [model, with_fairseqs_decoder(model)]
    # The end of the sentence comes on top of the length.
    options = {"beam_size": beam, "max_len_a": 0, "max_len_b": symbols, "min_len": symbols}
    generators = [SequenceGenerator([each], dictionary, **options) for each in models]
    source = torch.randint(4, len(dictionary), (1, symbols))
    sample = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([symbols])}}
    times: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            times[which].append(seconds(generators[which], models[which], sample))
    ours, theirs = (each[1:] for each in times)  # the first round warms up
    return symbols / statistics.median(ours), [b / a for a, b in zip(ours, theirs, strict=True)]


def main() -> None:
    """Print a table for each axis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--axes", nargs="+", choices=list(AXES), default=list(AXES), metavar="AXIS", help=", ".join(AXES)
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measured rounds after one (default: 3)")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be 1 or more")
    torch.manual_seed(1)
    for axis in args.axes:
        others = ", ".join(f"{name} {value:,}" for name, value in USUAL.items() if name != axis)
        print(f"| {axis} ({others}) | symbols/s | times fairseq's (min to max) |\n|---:|---:|---|")
        for value in AXES[axis]:
            speed, ratios = measure(**{**USUAL, axis: value}, rounds=args.rounds)
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {value:,} | {speed:,.0f} | {spread} |", flush=True)
        print()


if __name__ == "__main__":
    main()
