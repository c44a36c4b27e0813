"""Reproduce a table or figure of the papers: from raw text to the paper's figures beside ours.

TABLE is one of examples/bbpe/systems.yaml or examples/bytenet/systems.yaml, such as table7; those that both papers have
are called bbpe/table3 and bytenet/table3. Written into DIR/PAPER/SCALE/tables: TABLE.md, TABLE.tsv, and a plot. What is
done is skipped, and a training that was stopped goes on from its last checkpoint.

Without --data the text is built from Unicode CLDR. To make your own experiment, copy systems.yaml and corpora.yaml,
change them, and give --config.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import positive
from fairseq_bbpe.experiments.system import SCALES

EXAMPLE = "fairseq-bbpe reproduce table7 --data corpora --scale small --jobs 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `reproduce`."""
    add = parser.add_argument
    add("table", metavar="TABLE", nargs="?", help="what to reproduce (default: list what there is)")
    add("--data", type=Path, metavar="D", help="folder of the corpora, or of the one that TABLE needs, as raw files")
    add(
        "--scale",
        choices=SCALES,
        default="tiny",
        help="tiny (default): samples, seconds, a test. small: a CPU core with bfloat16 for 20 to 40 minutes each. "
        "base, big: the paper's, on GPUs",
    )
    add("--systems", nargs="+", metavar="NAME", help="only these (default: all of the table)")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=_amount, metavar="M", help="train each system for so long")
    budget.add_argument("--updates", type=positive, metavar="N", help="train each system for so many updates")
    budget.add_argument("--epochs", type=positive, metavar="N", help="train each on so many passes over its pairs")
    add("--seeds", nargs="+", type=_seed, metavar="N", help="train each system with each (default: 1)")
    add("--gpus", type=_seed, metavar="N", help="GPUs in all, in bf16; 0 is the CPU (default: of base and big all)")
    add("--jobs", type=positive, default=1, metavar="N", help="systems side by side, each on its core or GPUs (1)")
    add("--output", type=Path, default=Path("runs"), metavar="DIR", help="folder for all that is made (runs)")
    parser.set_defaults(output_is="FOLDER")
    add("--config", type=Path, metavar="FILE", help="systems, tables and scales in YAML (default: the papers')")


def _amount(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{value!r}: give a number above 0")
    return number


def _seed(value: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise argparse.ArgumentTypeError(f"{value!r}: give a whole number, 0 or more")
    return int(value)


def run(args: argparse.Namespace) -> None:
    """Check everything, do what is not done, print the table."""
    from fairseq_bbpe.experiments.tables import list_tables, reproduce

    if args.table is None:
        print(list_tables(args.config))
        return
    print(reproduce(args))
