"""Measure parallel text and vocabularies on it, as the tables and figures of the BBPE paper do.

Each KIND writes one table of tab-separated values with a line of column names; `fairseq-bbpe stats KIND --help` says
what it holds. `fairseq-bbpe draw` makes the figures from the tables.

A vocabulary that the text does not support, such as more pieces than it has words, is left out with a note.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_workers, require_text, require_writable
from fairseq_bbpe.errors import UserError

Table = tuple[tuple[str, ...], list[tuple]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of table, each with its arguments."""
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True, help="what to measure:")
    for name, measure in KINDS.items():
        kind = kinds.add_parser(name, help=measure.__doc__, description=measure.__doc__, allow_abbrev=False)
        kind.set_defaults(measure=measure, refuse=kind.error)
        kind.add_argument("--source", required=True, metavar="FILE", help="raw text, a sentence a line")
        kind.add_argument("--target", required=True, metavar="FILE", help="its translation, line by line")
        if name in ("datasets", "sharing"):
            kind.add_argument(
                "--languages",
                required=name == "sharing",
                metavar="FILE",
                help="the language code of each line of the source",
            )
        if name == "sharing":
            kind.add_argument("--among", nargs="+", metavar="CODE", help="only these languages (default: all)")
        if name == "tokens":
            kind.add_argument("--source-text", required=True, metavar="TEXT", help="the sentence to show")
            kind.add_argument("--target-text", required=True, metavar="TEXT", help="its translation")
        if name == "datasets":
            kind.add_argument("--split", default="train", metavar="NAME", help="column split (default: %(default)s)")
        else:
            _add_vocabularies(kind)
        if name not in WIDE:
            kind.add_argument("--name", default="-", metavar="NAME", help="column corpus (default: %(default)s)")
        kind.add_argument("--output", required=True, metavar="FILE", help="the table to write")


def _add_vocabularies(kind: argparse.ArgumentParser) -> None:
    kind.add_argument(
        "--vocab",
        required=True,
        nargs="+",
        metavar="SPEC",
        help="byte, bbpe:N, char, bpe:N as `prepare` takes them; fairseq:N, as fairseq's byte_level_bpe example makes "
        "it; or a .model file. Learned on both sides of the text",
    )
    kind.add_argument(
        "--models",
        metavar="DIR",
        help="keep what is learned in this folder, and use what is there (default: keep none)",
    )
    add_workers(kind)


def run(args: argparse.Namespace) -> None:
    """Check everything, measure, write the table."""
    from fairseq_bbpe.analysis.figures import save_table
    from fairseq_bbpe.analysis.parallel_text import ParallelText
    from fairseq_bbpe.analysis.vocabularies import Specification

    for flag in ("source", "target", "languages"):
        if getattr(args, flag, None) is not None:
            require_text(getattr(args, flag), f"--{flag}")
    for flag in ("name", "split", "source_text", "target_text"):
        if set(getattr(args, flag, "")) & set("\t\n"):
            raise UserError(f"--{flag.replace('_', '-')}: holds a tab or a newline: give one without")
    specifications = Specification.parse_all(getattr(args, "vocab", ()))
    for specification in specifications:
        if specification.path is not None:
            require_text(specification.path, "--vocab")
    require_writable(Path(args.output).parent, f"--output {args.output}")
    text = ParallelText.of_files(args.source, args.target, getattr(args, "languages", None))
    header, rows = args.measure(args, text, specifications)
    if not rows or len(header) < 2:
        raise UserError(f"{args.source}: supports none of these vocabularies: give smaller ones, or more text")
    save_table(args.output, header, rows)


def _segmenters(args: argparse.Namespace, text, specifications) -> Iterator:
    from fairseq_bbpe.analysis.vocabularies import Library

    return Library(text, args.models, args.workers).each(specifications)


def _datasets(args, text, _specifications) -> Table:
    """lines, languages, characters, bytes, and distinct characters of one split (Table 1)"""
    from fairseq_bbpe.analysis.character_sets import DATASET_COLUMNS, dataset_row

    return ("corpus", "split", *DATASET_COLUMNS), [(args.name, args.split, *dataset_row(text))]


def _partial(args, text, specifications) -> Table:
    """the share of tokens that hold a part of a character, and how many characters are decomposed (Table 3)"""
    from fairseq_bbpe.analysis.character_sets import count_characters
    from fairseq_bbpe.analysis.partial_characters import PARTIAL_COLUMNS, partial_row
    from fairseq_bbpe.analysis.symbol_counts import count_symbols

    segmenters = _segmenters(args, text, specifications)
    source, target = count_characters(text)
    rows = []
    for segmenter in segmenters:
        counts = sum(count_symbols(text, segmenter, args.workers), source.__class__())
        rows.append((args.name, segmenter.name, *partial_row(segmenter, counts, source | target)))
    return ("corpus", "vocabulary", *PARTIAL_COLUMNS), rows


def _lengths(args, text, specifications) -> Table:
    """mean lengths of sentences in tokens, of both sides, their ratio, and tokens in per cent of bytes (Table 4)"""
    from fairseq_bbpe.analysis.symbol_counts import count_symbols
    from fairseq_bbpe.analysis.token_lengths import LENGTH_COLUMNS, length_row

    rows = []
    for segmenter in _segmenters(args, text, specifications):
        source, target = count_symbols(text, segmenter, args.workers)
        rows.append((args.name, segmenter.name, *length_row(segmenter, source, target, text)))
    return ("corpus", "vocabulary", *LENGTH_COLUMNS), rows


def _frequencies(args, text, specifications) -> Table:
    """symbols of both sides by descending frequency, in log2, a column a vocabulary (Figure 2)"""
    from fairseq_bbpe.analysis.symbol_counts import count_symbols
    from fairseq_bbpe.analysis.symbol_frequencies import frequency_table

    counts = {}
    for segmenter in _segmenters(args, text, specifications):
        source, target = count_symbols(text, segmenter, args.workers)
        counts[segmenter.name] = source + target
    return frequency_table(counts)


def _sharing(args, text, specifications) -> Table:
    """how many symbols occur in 0, 1, 2, ... languages of the source side, a column a vocabulary (Figure 3)"""
    from fairseq_bbpe.analysis.sharing import sharing_column
    from fairseq_bbpe.analysis.symbol_counts import count_by_language

    found = sorted({code for _, _, codes in text.blocks("languages") for code in codes})
    among = list(dict.fromkeys(args.among or found))
    for code in among:
        if code not in found:
            raise UserError(f"--among {code}: not in {args.languages}, which has {', '.join(found)}")
    columns = {}
    for segmenter in _segmenters(args, text, specifications):
        counts = count_by_language(text, segmenter, args.workers)
        columns[segmenter.name] = sharing_column(segmenter.pieces, counts, among)
    return ("languages", *columns), list(zip(range(len(among) + 1), *columns.values(), strict=False))


def _tokens(args, text, specifications) -> Table:
    """one sentence in every vocabulary, as `fairseq-bbpe show` prints tokens (Figures 1 and 5)"""
    from fairseq_bbpe.analysis.tokens import TOKEN_COLUMNS, token_row

    rows = [
        (args.name, segmenter.name, *token_row(segmenter, args.source_text, args.target_text))
        for segmenter in _segmenters(args, text, specifications)
    ]
    return ("corpus", "vocabulary", *TOKEN_COLUMNS), rows


# Tables with a column for each vocabulary have none for the corpus.
WIDE = ("frequencies", "sharing")

KINDS: dict[str, Callable[..., Table]] = {
    "datasets": _datasets,
    "partial": _partial,
    "lengths": _lengths,
    "frequencies": _frequencies,
    "sharing": _sharing,
    "tokens": _tokens,
}
