"""Arguments that several subcommands share, and the checks of their values that come before any work."""

import argparse
import math
import os
import sys
from functools import partial
from pathlib import Path

from fairseq_bbpe.corpus.checks import require_writable
from fairseq_bbpe.errors import UserError

# What sentencepiece's trainer takes.
MOST_WORKERS = 1024

# Arguments that name files to read, which no output may replace.
INPUTS = ("source", "target", "languages", "vocab", "table", "model", "input", "checkpoint")


def positive(value: str, most: int = sys.maxsize, least: int = 1) -> int:
    """Parse a whole number from `least` to `most`."""
    # 20 digits are above any `most`, and int() refuses some thousands of them.
    number = int(value[:20]) if value.isdecimal() else -1
    if number < least:
        raise argparse.ArgumentTypeError(f"{value!r}: give a whole number, {least} or more")
    if number > most:
        raise argparse.ArgumentTypeError(f"{value!r}: give {most} or less")
    return number


def finite(value: str, least: float = -math.inf) -> float:
    """Parse a number from `least` on, which is neither nan nor infinite."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < least:
        more = "" if least == -math.inf else f", {least:g} or more"
        raise argparse.ArgumentTypeError(f"{value!r}: give a number{more}")
    return number


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, a file written by `learn`."""
    parser.add_argument("--model", required=True, metavar="PATH", help="the .model file that 'learn' wrote")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers",
        type=partial(positive, most=MOST_WORKERS),
        default=1,
        metavar="N",
        help=f"threads to work in, at most {MOST_WORKERS} (default: %(default)s)",
    )


def add_checkpoint(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--checkpoint`, a trained model's file."""
    parser.add_argument("--checkpoint", required=True, metavar="PATH", help=what)
    add_renamed(parser, "--path", "--checkpoint")


def add_output(parser: argparse.ArgumentParser, kind: str, what: str, *endings: str) -> None:
    """Add `--output`: a FILE, the PREFIX of several files' names, or a FOLDER, which is made where it is missing.

    With the `endings` of the files' names, where there are several that are known.
    """
    parser.add_argument("--output", required=True, metavar=kind, help=what)
    parser.set_defaults(output_is=kind, output_endings=endings or ("",) * (kind == "FILE"))


def require_output(args: argparse.Namespace) -> None:
    """Raise `UserError` unless `--output` names a file, or files, that can be written and are not read from."""
    output, path = str(args.output), Path(args.output)
    if args.output_is == "FOLDER" and not output:  # which would be the current one
        raise UserError("--output: is empty: give a folder")
    for file in (Path(f"{output}{ending}") for ending in getattr(args, "output_endings", ())):
        if file.name and file.exists():
            _require_replaceable(file, args)
    if args.output_is == "FOLDER":
        require_writable(
            next(folder for folder in (path.resolve(), *path.resolve().parents) if folder.exists()),
            flag=f"--output {output}",
        )
        return
    if os.path.basename(output) in ("", ".", ".."):
        example = os.path.join(output, "name")
        raise UserError(f"--output {output}: names no file: give one, such as {example}")
    require_writable(path.parent, f"--output {output}")


def _require_replaceable(file: Path, args: argparse.Namespace) -> None:
    if not file.is_file():
        what = "a folder" if file.is_dir() else "a pipe or device"
        raise UserError(f"--output {args.output}: {file} is {what}, and a file would take its place: give another name")
    for flag in INPUTS:
        given = getattr(args, flag, None) or []
        for path in [given] if isinstance(given, str) else given:
            if os.path.exists(path) and file.samefile(path):
                raise UserError(f"--output {args.output}: would overwrite --{flag} {path}: give another name")


def add_renamed(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Let a flag of version 0.1.0 say what it is called now."""
    parser.add_argument(old, action=_Renamed, const=new, help=argparse.SUPPRESS)


class _Renamed(argparse.Action):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, nargs="?", dest=argparse.SUPPRESS, **{k: v for k, v in kwargs.items() if k != "dest"})

    def __call__(self, parser, namespace, values, option_string=None):
        raise UserError(f"{option_string} is now {self.const}")
