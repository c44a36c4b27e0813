"""Learn a byte-level BPE vocabulary: PREFIX.model, for 'encode' and --bbpe-model, and PREFIX.dict.txt, for fairseq.

All 256 bytes are in it, whatever the text: nothing is ever unknown. Lines end at newlines alone, may be of any length,
and need not be valid UTF-8.
"""

import argparse
import sys
from collections.abc import Iterable
from functools import partial
from itertools import chain

from tqdm import tqdm

from fairseq_bbpe.cli.arguments import add_output, add_workers, positive
from fairseq_bbpe.corpus.checks import require_text
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import read_lines
from fairseq_bbpe.vocabularies.language_balance import balanced_lines
from fairseq_bbpe.vocabularies.specification import Specification

EXAMPLE = "fairseq-bbpe learn --input train.ja train.en --vocab-size 4096 --output bbpe4k"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `learn`."""
    parser.add_argument(
        "--input", required=True, nargs="+", metavar="FILE", help="raw text to learn from, of all languages together"
    )
    parser.add_argument(
        "--vocab-size",
        required=True,
        type=positive,
        metavar="N",
        help="pieces in the vocabulary: the 256 bytes and N-256 merges; 256 is the paper's byte vocabulary",
    )
    parser.add_argument(
        "--at-most", action="store_true", help="where the text supports fewer than N pieces, learn as many as it does"
    )
    add_output(parser, "PREFIX", "writes PREFIX.model and PREFIX.dict.txt", ".model", ".dict.txt")
    parser.add_argument(
        "--sample",
        type=positive,
        default=None,
        metavar="LINES",
        help="learn from so many lines, drawn evenly from all input and always the same; only they are kept in memory "
        "(default: from all lines)",
    )
    parser.add_argument(
        "--balance",
        type=float,
        metavar="T",
        help="temperature sampling: draw lines so that a language with a share p of them gets one proportional to "
        "p^(1/T); 5 is usual, 1 leaves the text as it stands (default: all lines, once)",
    )
    parser.add_argument(
        "--languages",
        nargs="+",
        default=[],
        metavar="FILE",
        help="for --balance, the language code of each line of the first --input, of the second ...; an --input "
        "without such a file is a language of its own",
    )
    parser.add_argument("--verbose", action="store_true", help="let sentencepiece log what it does")
    add_workers(parser)


def run(args: argparse.Namespace) -> None:
    """Learn, and write both files."""
    for flag, paths in (("--input", args.input), ("--languages", args.languages)):
        for path in paths:
            require_text(path, flag)
    if args.languages and args.balance is None:
        raise UserError("--languages: only --balance needs them: give --balance 5, or leave them out")
    vocabulary = Specification("bbpe", args.vocab_size).vocabulary(
        partial(_lines, args),
        sample=args.sample or 0,
        workers=args.workers,
        at_most=args.at_most,
        verbose=args.verbose,
    )
    model, dictionary = vocabulary.save(args.output)
    print(f"wrote {model} and {dictionary}: {len(vocabulary)} pieces", file=sys.stderr)
    print(
        f"next: fairseq-bbpe encode --model {model} < TEXT; and, so that the dictionary has all pieces,\n"
        f"  fairseq-preprocess --joined-dictionary --srcdict {dictionary} ...",
        file=sys.stderr,
    )


def _lines(args: argparse.Namespace) -> Iterable[bytes]:
    lines: Iterable[bytes] = chain.from_iterable(map(read_lines, args.input))
    if args.balance is not None:
        lines = balanced_lines(args.input, args.languages, args.balance)
    return tqdm(lines, desc="reading", unit=" lines", disable=None)  # a bar only where stderr is a terminal
