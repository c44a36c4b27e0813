#!/usr/bin/env python
"""Training speed and memory beside fairseq's own `transformer` of the same shape, as a Markdown table.

Runs `fairseq-train` on the same data-bin with each system in turn, several rounds. A ratio is of two trainings of one
round, for the machine's own speed drifts. Ours train as docs/speed.md advises, with the loss in blocks; --bf16-too
adds each of them in bfloat16. Make a data-bin with `fairseq-bbpe prepare`.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = Path(__file__).resolve().parent.parent / "fairseq_bbpe"
SHAPES = {
    "big": {"embed-dim": 1024, "ffn-embed-dim": 4096, "attention-heads": 16, "layers": 6},
    "base": {"embed-dim": 512, "ffn-embed-dim": 2048, "attention-heads": 8, "layers": 6},
    "tiny": {"embed-dim": 256, "ffn-embed-dim": 1024, "attention-heads": 4, "layers": 2},
}
THEIRS = "fairseq's transformer"
BLOCKS = ["--criterion", "label_smoothed_cross_entropy_blocks", "--arch", "transformer_bbpe_ctx", "--embed-context"]
SYSTEMS = {THEIRS: ["--criterion", "label_smoothed_cross_entropy", "--arch", "transformer"]} | {
    name: [*BLOCKS, name] for name in ("none", "conv", "gru")
}


def train(args: argparse.Namespace, options: list[str]) -> tuple[float, float]:
    """Target tokens a second, the median of logged intervals after the first; and GB of GPU memory, 0 without."""
    shape = [
        f"--{side}-{name}={value}" for side in ("encoder", "decoder") for name, value in SHAPES[args.shape].items()
    ]
    command = [sys.executable, "-m", "fairseq_cli.train", args.data, "--user-dir", str(PLUGIN), *shape, *options]
    command += ["--optimizer", "adam", "--lr", "0.0001", "--label-smoothing", "0.1", "--share-all-embeddings"]
    command += ["--dropout", "0.1", "--attention-dropout", "0.1", "--activation-dropout", "0.1"]
    command += ["--max-tokens", str(args.max_tokens), "--max-update", str(args.updates), *shlex.split(args.fairseq)]
    command += ["--disable-validation", "--no-save", "--log-format", "json"]
    command += ["--log-interval", str(args.updates // 6)]
    with tempfile.TemporaryDirectory() as folder:
        finished = subprocess.run([*command, "--save-dir", folder], capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{shlex.join(options)}: fairseq-train failed:\n{finished.stderr[-2000:]}")
    lines = [line.split(" | ")[-1] for line in finished.stdout.splitlines() if "| train_inner |" in line]
    events = [json.loads(line) for line in lines][1:]
    gigabytes = max((args.gpu_gigabytes - float(event["gb_free"]) for event in events if "gb_free" in event), default=0)
    return statistics.median(float(event["wps"]) for event in events), gigabytes


def report(name: str, runs: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> str:
    """A row: median tokens a second, the ratio's median, least and most over the rounds, and memory."""
    ratios = [ours / their for (ours, _), (their, _) in zip(runs, theirs, strict=True)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    memory = max(gigabytes for _, gigabytes in runs)
    return f"| {name} | {statistics.median(speed for speed, _ in runs):,.0f} | {spread} | {memory or '':.3} |"


def parse_arguments() -> argparse.Namespace:
    """What to train, how long, and how often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data-bin with a joined dictionary")
    parser.add_argument("--shape", choices=SHAPES, default="base", help="size of all models (default: base, Table 2)")
    parser.add_argument("--updates", type=int, default=18, metavar="N", help="updates a run (default: 18)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each system (default: 3)")
    parser.add_argument("--max-tokens", type=int, default=2048, metavar="N", help="tokens a batch (default: 2048)")
    parser.add_argument("--bf16-too", action="store_true", help="train each system in bfloat16, too")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS)[1:], default=list(SYSTEMS)[1:], metavar="NAME")
    parser.add_argument("--fairseq", default="", metavar="OPTIONS", help="more for fairseq-train, in one argument")
    args = parser.parse_args()
    if args.updates < 12 or args.rounds < 1:
        parser.error("--updates must be 12 or more, for the first sixth warms up, and --rounds 1 or more")
    return args


def main() -> None:
    """Print a row for each system."""
    args = parse_arguments()
    import torch

    on_gpu = torch.cuda.is_available() and "--cpu" not in args.fairseq
    args.gpu_gigabytes = torch.cuda.mem_get_info()[1] / 2**30 if on_gpu else 0
    systems = {name: SYSTEMS[name] for name in (THEIRS, *args.systems)}
    if args.bf16_too:
        systems |= {f"{name}, bf16": [*options, "--bf16"] for name, options in systems.items()}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
    for _ in range(args.rounds):
        for name, options in systems.items():
            runs[name].append(train(args, options))
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} thread(s)"
    print(f"{args.shape}, batches of {args.max_tokens} tokens, {where}, torch {torch.__version__}\n")
    print("| system | target tokens/s | times fairseq's (min to max) | GPU memory, GiB |\n|---|---:|---|---:|")
    for name, measured in runs.items():
        print(report(name, measured, runs[THEIRS]))


if __name__ == "__main__":
    main()
