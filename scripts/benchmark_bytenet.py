#!/usr/bin/env python3
"""Measure ByteNet's generation: constant time a symbol, linear time a sentence, beside fairseq's own models.

All models are untrained, of about the same number of parameters, over the same characters, and write exactly as many
symbols as the source has, greedily, one sentence at a time. Every figure comes from this one run on this one machine.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from untrained_models import bytenet, fconv, generate, of_size, parameters, sync, transformer


@torch.no_grad()
def floor(model, repeat: int = 20) -> float:
    """Seconds to read each weight matrix of the target network once, in products with a vector: no step is faster."""
    matrices = [
        p for p in model.decoder.parameters() if p.dim() == 2 and p is not model.decoder.embedding.symbols.weight
    ]
    vectors = [matrix.new_ones(matrix.size(1)) for matrix in matrices]
    best = float("inf")
    for _ in range(repeat):
        sync()
        start = time.perf_counter()
        for matrix, vector in zip(matrices, vectors, strict=True):
            torch.mv(matrix, vector)
        sync()
        best = min(best, time.perf_counter() - start)
    return best


def peak_megabytes(args: argparse.Namespace, length: int) -> float:
    """Peak memory of a process that generates one sentence of `length` with ByteNet, libraries included."""
    command = [sys.executable, __file__, "--channels", str(args.channels), "--device", args.device]
    command += ["--threads", str(args.threads), "--memory-of", str(length)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_memory(model, length: int) -> None:
    """Generate one sentence and print the peak: of the accelerator where there is one, else of the process."""
    generate(model, length)
    if next(model.parameters()).is_cuda:
        print(torch.cuda.max_memory_allocated() / 1e6)
    else:  # getrusage would count the process that started this one
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        print(int(status["VmHWM"].split()[0]) / 1e3)


def main() -> None:
    """Print one table after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--channels", type=int, default=256, metavar="D", help="ByteNet's d, which sets all sizes")
    parser.add_argument("--lengths", default="100,200,400,800,1600,2000", metavar="N,...", help="symbols, ascending")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="runs of which the fastest counts")
    parser.add_argument("--memory-of", type=int, metavar="N", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    lengths = [int(length) for length in args.lengths.split(",")]

    model = bytenet(args.channels).to(args.device).eval()
    if args.memory_of:
        return report_memory(model, args.memory_of)
    wanted = parameters(model)
    generate(model, 50)
    runs = [generate(model, lengths[-1]) for _ in range(args.repeat)]
    steps = [min(run[t] - run[t - 1] for run in runs) for t in range(1, lengths[-1])]

    print(f"ByteNet, d = {args.channels}, {wanted / 1e6:.1f} M parameters, batch 1,", end=" ")
    print(f"{args.device}, {args.threads} thread(s), torch {torch.__version__}\n")
    print("| position | ms a symbol |\n|---:|---:|")
    for position in (p for p in (100, 400, 1600) if p < lengths[-1]):
        near = sorted(steps[position - 25 : position + 25])
        print(f"| {position} | {1e3 * near[len(near) // 2]:.3f} |")
    least, typical = floor(model), sorted(steps)[len(steps) // 2]
    print(f"\nfloor (each weight of the target network read once) {1e3 * least:.3f} ms,", end=" ")
    print(f"a step {1e3 * typical:.3f} ms: {typical / least:.2f} times as long")

    others = {"fconv": of_size(fconv, wanted), "transformer": of_size(transformer, wanted)}
    sizes = ", ".join(f"{name} {parameters(other) / 1e6:.1f} M" for name, other in others.items())
    print(f"\nSeconds a sentence, best of {args.repeat} ({sizes} parameters):\n")
    print("| symbols | ByteNet | against half the length | recomputing | " + " | ".join(others) + " |")
    print("|---:" * (4 + len(others)) + "|")
    totals, overtaken = {}, {}
    for length in lengths:
        totals[length] = min(generate(model, length)[-1] for _ in range(args.repeat))
        half = f"{totals[length] / totals[length // 2]:.2f}" if length // 2 in totals else ""
        again = f"{generate(model, length, incremental=False)[-1] / totals[length]:.1f} x" if length <= 400 else ""
        row = []
        for name, other in others.items():
            other.to(args.device).eval()
            theirs = min(generate(other, length)[-1] for _ in range(args.repeat))
            row.append(f"{theirs:.2f} ({theirs / totals[length]:.2f} x)")
            if theirs > totals[length]:
                overtaken.setdefault(name, length)
        print(f"| {length} | {totals[length]:.2f} | {half} | {again} | " + " | ".join(row) + " |", flush=True)
    for name in others:
        print(
            f"ByteNet is faster than {name} from {overtaken[name]} symbols on"
            if name in overtaken
            else f"{name} stays faster"
        )

    print("\n| symbols | peak memory, MB |\n|---:|---:|")
    for length in (lengths[0], lengths[-1]):
        print(f"| {length} | {peak_megabytes(args, length):.0f} |")
    return None


if __name__ == "__main__":
    main()
