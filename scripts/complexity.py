#!/usr/bin/env python3
"""Table 1 of the ByteNet paper beside measurements: time against length, and layer steps between tokens.

The models are untrained, of about the same number of parameters, over the same characters; source and target are
equally long, one sentence at a time. An exponent k says that time grows as length^k over the three longest
lengths. Written into --output: table1.tsv, a line a model with every second measured, and table1.md, the table.
"""

import argparse
import csv
import math
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from layer_steps import paths
from untrained_models import bytenet, fconv, forward, generate, lstm, of_size, parameters, transformer

# The rows of the paper's Table 1: model, Net_S, Net_T, Time, RP, Path_S, Path_T.
PAPER = """
RCTM 1|CNN|RNN|S·S + T|no|S|T
RCTM 2|CNN|RNN|S·S + T|yes|S|T
RNN Enc-Dec|RNN|RNN|S + T|no|S + T|T
RNN Enc-Dec Att|RNN|RNN|S·T|yes|1|T
Grid LSTM|RNN|RNN|S·T|yes|S + T|S + T
Extended Neural GPU|cRNN|cRNN|S·S + S·T|yes|S|T
Recurrent ByteNet|RNN|RNN|S + T|yes|max(S, T)|T
Recurrent ByteNet|CNN|RNN|cS + T|yes|c|T
ByteNet|CNN|CNN|cS + cT|yes|c|c
""".strip()


class System(NamedTuple):
    family: str  # of layer_steps
    row: str  # of the paper, its first three columns; empty where it has none
    build: object  # from a width


# Blocks and unfolding of the paper's first version, for Table 1 is that version's.
FIRST = {"source_kernel": 5, "norm": "layer", "unfold": "zero"}
SYSTEMS = {
    "bytenet": System("bytenet", "ByteNet|CNN|CNN", lambda d: bytenet(d, "bytenet", **FIRST)),
    "bytenet_conv_rnn": System(
        "bytenet", "Recurrent ByteNet|CNN|RNN", lambda d: bytenet(d, "bytenet_conv_rnn", **FIRST)
    ),
    "bytenet_birnn_rnn": System(
        "bytenet", "Recurrent ByteNet|RNN|RNN", lambda d: bytenet(d, "bytenet_birnn_rnn", **FIRST)
    ),
    "lstm": System("lstm", "RNN Enc-Dec|RNN|RNN", lambda width: lstm(width, attention=False)),
    "lstm with attention": System("lstm", "RNN Enc-Dec Att|RNN|RNN", lstm),
    "fconv": System("fconv", "", fconv),
    "transformer": System("transformer", "", transformer),
}


def exponent(seconds: dict[int, float]) -> float:
    """k of seconds ~ length^k, by least squares on logarithms over the three longest lengths.

    >>> round(exponent({1: 9.0, 10: 2.0, 100: 200.0, 1000: 20000.0}), 6)
    2.0
    """
    longer = sorted(seconds)[-3:]
    x = [math.log(length) for length in longer]
    y = [math.log(seconds[length]) for length in longer]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - middle_x) ** 2 for a in x)


def measure(name: str, args: argparse.Namespace) -> dict[str, str]:
    """A line of table1.tsv."""
    system = SYSTEMS[name]
    model = of_size(system.build, args.parameters).to(args.device).eval()
    row = {"model": name, "parameters": str(parameters(model))}
    forward(model, 32), generate(model, 16)  # the first call of each is slower
    # On one thread its own time, in which no other program has a part.
    clock = time.process_time if args.device == "cpu" and args.threads == 1 else time.perf_counter
    for what, lengths, run in (
        ("forward", args.forward_lengths, lambda length: forward(model, length, clock)),
        ("generate", args.lengths, lambda length: generate(model, length, clock=clock)[-1]),
    ):
        best = {length: min(run(length) for _ in range(args.repeat)) for length in lengths}
        row |= {f"{what} {length}, s": f"{seconds:.5f}" for length, seconds in best.items()}
        row[f"{what} k"] = f"{exponent(best):.2f}"
    small = system.build(8).eval()  # what a layer reads does not depend on its width
    for length in args.path_lengths:
        for side, steps in zip("ST", paths(system.family, small, length), strict=True):
            row[f"Path_{side} {length}"] = "none" if math.isinf(steps) else f"{steps:.0f}"
    return row


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "".join("| " + " | ".join(line) + " |\n" for line in [header, ["---"] * len(header), *rows])


def report(rows: list[dict[str, str]], args: argparse.Namespace) -> str:
    """The table as Markdown: each row of the paper, and what was measured of the model that stands for it."""
    measured = {SYSTEMS[row["model"]].row: row for row in rows if SYSTEMS[row["model"]].row}
    lines = []
    theirs = [(line, measured.get("|".join(line.split("|")[:3]))) for line in PAPER.splitlines()]
    beside = [(f"-|{'RNN' if 'lstm' in row['model'] else '-'}|-|-|-|-|-", row) for row in rows]
    for line, row in theirs + [pair for pair in beside if not SYSTEMS[pair[1]["model"]].row]:
        properties, figures = line.split("|"), ["not built here"] + [""] * 8
        if row:
            grows = "-" if properties[3] == "-" else 2 if "·" in properties[3] else 1
            differs = "-" if grows == "-" else f"{float(row['generate k']) - grows:+.2f}"
            steps = [" / ".join(row[f"Path_{side} {length}"] for length in args.path_lengths) for side in "ST"]
            figures = [f"`{row['model']}`", *steps, row["forward k"], row["generate k"], str(grows), differs]
        lines.append(properties + (figures + [""] * 7)[:7])
    at = " / ".join(map(str, args.path_lengths))
    # "|" between the names, for none of them has one.
    columns = "Model|Net_S|Net_T|Time|RP|Path_S|Path_T|here|Path_S at {0}|Path_T at {0}|k, forward|k, generation"
    header = [*columns.format(at).split("|"), "k of the paper's Time", "difference"]
    lengths = args.lengths
    seconds = [
        [f"`{row['model']}`", f"{int(row['parameters']) / 1e6:.2f}M"]
        + [f"{float(row[f'forward {length}, s']):.3f}" for length in args.forward_lengths]
        + [f"{float(row[f'generate {length}, s']):.2f}" for length in lengths]
        for row in rows
    ]
    times = ["", "parameters", *(f"forward {n}" for n in args.forward_lengths), *(f"generation {n}" for n in lengths)]
    return f"""{table(header, lines)}
The first seven columns are the paper's, the rest was measured: the layer steps of the shortest path from the first
source (target) token to the last prediction, at {at} symbols, "none" where it lies beyond the receptive
field; and k of time ~ length^k over the three longest lengths, of a forward pass with a given target and of
generation. Seconds (on one CPU thread its own, whatever else runs), batch 1, best of {args.repeat}:

{table(times, seconds)}
Random symbols, no corpus; 0 updates. {facts(args)}
"""


def facts(args: argparse.Namespace) -> str:
    """What the figures depend on."""
    processors = Path("/proc/cpuinfo")
    described = processors.read_text().splitlines() if processors.exists() else []
    cpu = next(
        (line.split(":", 1)[1].strip() for line in described if line.startswith("model name")), platform.machine()
    )
    hardware = torch.cuda.get_device_name() if args.device == "cuda" else f"{cpu}, {args.threads} thread(s)"
    took = f"{time.perf_counter() - args.start:.0f} s"
    return f"Hardware {hardware}, torch {torch.__version__}, in {took}. Commit {args.commit}.\n\n`{args.command}`"


def numbers(text: str) -> list[int]:
    """Ascending lengths with commas between."""
    lengths = sorted(int(part) for part in text.split(",") if part.isdecimal() and int(part) > 1)
    if len(lengths) < 2 or len(lengths) != text.count(",") + 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give two lengths or more, such as 64,128,256")
    return lengths


def main() -> None:
    """Measure one model after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, default=1_000_000, metavar="N", help="of each model, at most")
    parser.add_argument(
        "--lengths", type=numbers, default="128,256,512,1024", metavar="N,...", help="symbols generated"
    )
    parser.add_argument("--forward-lengths", type=numbers, default="256,512,1024,2048", metavar="N,...")
    parser.add_argument("--path-lengths", type=numbers, default="64,128,256", metavar="N,...")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="runs of which the fastest counts")
    parser.add_argument("--models", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--commit", default="unknown", help="what the table says it was made from")
    parser.add_argument("--command", default=" ".join(sys.argv), help="what the table says made it")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for table1.tsv and table1.md")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("complexity.py: --device cuda: no GPU here; leave it out to measure on the CPU")
    args.start = time.perf_counter()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    rows = []
    for name in args.models:
        rows.append(measure(name, args))
        print(f"{name}: generation k = {rows[-1]['generate k']}", file=sys.stderr, flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    with open(args.output / "table1.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "commit"], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"commit": args.commit} for row in rows)
    (args.output / "table1.md").write_text(report(rows, args), encoding="utf-8")


if __name__ == "__main__":
    main()
