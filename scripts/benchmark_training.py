#!/usr/bin/env python
"""Training speed of contextualised embeddings: tokens/s of gru and conv over fairseq's plain transformer.

Runs `fairseq-train` on the same data-bin with each of the three in turn, several rounds, and prints the ratio of the
medians: what counts is the ratio, for the machine's own speed drifts. Make a data-bin with `fairseq-bbpe prepare`.
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
    "base": {"embed-dim": 512, "ffn-embed-dim": 2048, "attention-heads": 8, "layers": 6},
    "tiny": {"embed-dim": 256, "ffn-embed-dim": 1024, "attention-heads": 4, "layers": 2},
}
SYSTEMS = {
    "transformer": ["--arch", "transformer"],
    "none": ["--arch", "transformer_bbpe_ctx", "--embed-context", "none"],
    "conv": ["--arch", "transformer_bbpe_ctx", "--embed-context", "conv"],
    "gru": ["--arch", "transformer_bbpe_ctx", "--embed-context", "gru"],
}


def tokens_per_second(args: argparse.Namespace, system: str) -> list[float]:
    """Target tokens a second in each logged interval of one training, without the first, which warms up."""
    shape = [
        option
        for side in ("encoder", "decoder")
        for name, value in SHAPES[args.shape].items()
        for option in (f"--{side}-{name}", str(value))
    ]
    train = ["--optimizer", "adam", "--lr", "0.0001", "--share-all-embeddings", "--disable-validation"]
    train += ["--attention-dropout", "0.1", "--activation-dropout", "0.1", "--dropout", "0.1", "--no-save"]
    train += ["--max-tokens", str(args.max_tokens), "--max-update", str(args.updates), *shlex.split(args.fairseq)]
    log = ["--log-format", "json", "--log-interval", str(max(1, args.updates // 6))]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "fairseq_cli.train",
            args.data,
            "--user-dir",
            str(PLUGIN),
            "--save-dir",
            folder,
        ]
        finished = subprocess.run(
            [*command, *SYSTEMS[system], *shape, *train, *log], capture_output=True, text=True, check=False
        )
    if finished.returncode:
        sys.exit(f"{system}: fairseq-train failed:\n{finished.stderr[-2000:]}")
    rows = [line.split(" | ")[-1] for line in finished.stdout.splitlines() if "| train_inner |" in line]
    return [float(json.loads(row)["wps"]) for row in rows][1:]


def main() -> None:
    """Print a row for each system: median tokens a second, and its ratio to the plain transformer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data-bin with a joined dictionary")
    parser.add_argument("--shape", choices=SHAPES, default="base", help="size of all models (default: base, Table 2)")
    parser.add_argument("--updates", type=int, default=18, metavar="N", help="updates a run (default: 18)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each system (default: 3)")
    parser.add_argument("--max-tokens", type=int, default=2048, metavar="N", help="tokens a batch (default: 2048)")
    parser.add_argument(
        "--fairseq",
        default="",
        metavar="OPTIONS",
        help="further options of fairseq-train in one argument: '--cpu', '--fp16'",
    )
    args = parser.parse_args()
    if args.updates < 12 or args.rounds < 1:
        parser.error("--updates must be 12 or more, for the first sixth warms up, and --rounds 1 or more")

    speeds: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    for _ in range(args.rounds):
        for system, measured in speeds.items():
            measured += tokens_per_second(args, system)
    plain = statistics.median(speeds["transformer"])
    print(
        f"{'system':12} {'tokens/s':>9} {'ratio':>6}   ({args.shape}, {args.rounds} rounds of {args.updates} updates)"
    )
    for system, measured in speeds.items():
        median = statistics.median(measured)
        print(f"{system:12} {median:9.0f} {median / plain:6.2f}")


if __name__ == "__main__":
    main()
