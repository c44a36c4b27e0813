#!/usr/bin/env python
"""Translation by a checkpoint, as `fairseq-bbpe translate` runs it, beside its export to CTranslate2, float32 and int8.

All translate the same batches of pieces in turn, several rounds, in one process. Prints a Markdown table: sentences/s,
how many times the checkpoint's (median, least and most), and how many best hypotheses are identical to its own. Only
models with a convolution in one layer or without context have an export; `--embed-context gru` has none.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from fairseq_bbpe.engines.ctranslate2_model import CTranslate2Model
from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.engines.search_options import SearchOptions
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.export.ctranslate2_folder import export_ctranslate2


def batches_of(task, split: str, size: int, count: int) -> list[list[list[str]]]:
    """The first `count` source sentences of a split as pieces, in batches of like length."""
    task.load_dataset(split)
    rows, symbols = task.dataset(split).src, task.source_dictionary
    pieces = [[symbols[token] for token in rows[index][:-1].tolist()] for index in range(min(count, len(rows)))]
    pieces.sort(key=len)
    return [pieces[first : first + size] for first in range(0, len(pieces), size)]


def measure(engines: dict, batches: list, options: SearchOptions, rounds: int) -> tuple[dict, dict]:
    """Seconds of every round but the first, which warms up, and the best hypotheses, of each engine."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    best = {}
    for _ in range(rounds + 1):
        for name, engine in engines.items():
            start = time.perf_counter()
            results = [found for batch in engine.search_all(batches, options) for found in batch]
            seconds[name].append(time.perf_counter() - start)
            best[name] = [found[0].pieces for found in results]
    return {name: taken[1:] for name, taken in seconds.items()}, best


def main() -> None:
    """Print a row for each engine, beam and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the data-bin that the checkpoint was trained on")
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint of transformer_bbpe_ctx")
    parser.add_argument("--gen-subset", default="test", help="what to translate (default: test)")
    parser.add_argument("--sentences", type=int, default=256, help="of it at most (default: 256)")
    parser.add_argument("--beam", type=int, nargs="+", default=[5], help="beam sizes (default: 5)")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[1, 32], help="(default: 1 32)")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds after one that warms up (default: 3)")
    args = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    ours = FairseqModels([args.checkpoint], args.data)
    engines: dict = {"checkpoint": ours}
    with tempfile.TemporaryDirectory() as folder:
        for name, quantization in (("CTranslate2", None), ("CTranslate2, int8", "int8")):
            output = Path(folder, name)
            export_ctranslate2(FairseqModels([args.checkpoint], args.data), output, quantization)
            engines[name] = CTranslate2Model(output, threads=threads)
        print(f"{threads} thread(s), torch {torch.__version__}\n")
        print("| engine | beam | batch | sentences/s | times the checkpoint's (min to max) | identical |")
        print("|---|---:|---:|---:|---|---|")
        for beam in args.beam:
            for size in args.batch_size:
                batches = batches_of(ours.task, args.gen_subset, size, args.sentences)
                seconds, best = measure(engines, batches, SearchOptions(beam=beam), args.rounds)
                for name, taken in seconds.items():
                    ratios = [mine / theirs for mine, theirs in zip(seconds["checkpoint"], taken, strict=True)]
                    same = sum(map(list.__eq__, best["checkpoint"], best[name]))
                    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                    speed = len(best[name]) / statistics.median(taken)
                    counted = f"{same}/{len(best[name])}"
                    print(f"| {name} | {beam} | {size} | {speed:.1f} | {spread} | {counted} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
