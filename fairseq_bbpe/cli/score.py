"""Score translations: BLEU and chrF of their text against raw references, all together and by group.

Prints tab-separated values: the group (first `all`), its sentences, BLEU (13a, case-sensitive), chrF, how many
hypotheses were not valid UTF-8 before byte recovery (`-` unless --byte-level, and of plain text), sacreBLEU's
signatures, and BLEU's brevity penalty.
"""

import argparse

from fairseq_bbpe.corpus.checks import require_text
from fairseq_bbpe.scoring import Score, read_hypotheses, score
from fairseq_bbpe.text.lines import read_lines

EXAMPLE = "fairseq-bbpe score test.en --reference data-bin/ja-en/raw/test.en"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `score`."""
    parser.add_argument(
        "generated", metavar="FILE", help="a translation a line, as of translate, or what fairseq-generate wrote"
    )
    parser.add_argument("--reference", required=True, metavar="PATH", help="raw references, a sentence a line")
    parser.add_argument(
        "--groups", metavar="PATH", help="the group of each sentence, such as its language, a line each"
    )
    parser.add_argument("--byte-level", action="store_true", help="pieces are of --vocab byte or bbpe:N")


def run(args: argparse.Namespace) -> None:
    """Print a line a group."""
    require_text(args.reference, "--reference")
    if args.groups:
        require_text(args.groups, "--groups")
    hypotheses = read_hypotheses(args.generated)
    references, groups = (
        [line.decode("utf-8", "replace") for line in read_lines(path)] if path else []
        for path in (args.reference, args.groups)
    )
    # A code is read as everywhere: without the CR of CR LF, or spaces.
    scores = list(score(hypotheses, references, [group.strip() for group in groups]))
    print(*Score._fields, sep="\t")
    for found in scores:
        row = found._asdict()
        if not args.byte_level or found.invalid is None:
            row["invalid"] = "-"
        print(*row.values(), sep="\t")
