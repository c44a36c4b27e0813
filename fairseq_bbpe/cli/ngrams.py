"""Count the n-grams of a data-bin's training split, for `--source-ngrams` and `--target-ngrams` of ByteNet.

Writes PREFIX.LANGUAGE.pt for either side. An n-gram is kept where it, and its first n - 1 symbols, occur often enough;
the default is the ByteNet paper's: all of length 2, and longer ones that occur 500 times.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_output, positive
from fairseq_bbpe.corpus.staging import replacing_file


def _counts(value: str) -> list[int]:
    counts = [positive(count) for count in value.split(",")]
    if counts != sorted(counts):
        raise argparse.ArgumentTypeError(f"{value}: must not fall from one length to the next")
    return counts


EXAMPLE = "fairseq-bbpe ngrams data-bin/de-en --output data-bin/de-en/ngrams"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ngrams`."""
    parser.add_argument("data", metavar="DATA-BIN", help="folder that 'prepare' made")
    parser.add_argument(
        "--min-count",
        type=_counts,
        default=[1, 500, 500, 500],
        metavar="N2,N3,...",
        help="occurrences needed for each length from 2; must not fall, and ends the list of lengths (default: "
        "1,500,500,500)",
    )
    add_output(parser, "PREFIX", "writes PREFIX.LANGUAGE.pt for either side")


def run(args: argparse.Namespace) -> None:
    """Count, write, and say how many n-grams were kept."""
    from fairseq_bbpe.data.ngram_counts import count_data_bin  # imports torch, which other commands do without

    prefix = Path(args.output)
    for language, table in count_data_bin(args.data, args.min_count):
        path = prefix.with_name(f"{prefix.name}.{language}.pt")
        with replacing_file(path) as part:
            table.save(part)
        kept = ", ".join(f"{len(keys)} of length {n}" for n, keys in enumerate(table.keys, start=2))
        print(f"{path}: {kept}")
