"""Draw which source and which previous target words a translation depends on, as Figure 6 of the ByteNet paper does.

For any translation model of this plugin. The gradients of each output piece's log-probability are summed over the
pieces of a word, and each column is scaled to a largest value of 1. Writes the table PREFIX.tsv and the figure
PREFIX.png drawn from it, and prints the translation.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_checkpoint, add_output, positive
from fairseq_bbpe.errors import check_checkpoints

EXAMPLE = "fairseq-bbpe analyze saliency data-bin/de-en --checkpoint best.pt --sentence 'Drei Tage' --output fig6"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `saliency`."""
    parser.add_argument("data", metavar="DATA-BIN", help="folder that 'prepare' made, with its vocabulary")
    add_checkpoint(parser, "a trained translation model")
    parser.add_argument("--sentence", required=True, metavar="TEXT", help="raw text to translate")
    parser.add_argument("--translation", metavar="TEXT", help="explain this translation (default: the model's own)")
    parser.add_argument(
        "--beam", type=positive, default=5, metavar="N", help="hypotheses in search (default: %(default)s)"
    )
    add_output(parser, "PREFIX", "writes PREFIX.tsv and PREFIX.png", ".tsv", ".png")


def run(args: argparse.Namespace) -> None:
    """Translate, take gradients, draw."""
    check_checkpoints(args.checkpoint)
    from fairseq_bbpe.analysis.figures import figure
    from fairseq_bbpe.analysis.gradients import draw_saliency, saliency
    from fairseq_bbpe.analysis.tables import save_table
    from fairseq_bbpe.analysis.translator import Translator

    prefix = Path(args.output)
    translator = Translator(args.checkpoint, args.data)
    source = translator.encode(args.sentence, translator.source)
    if args.translation is None:
        target = translator.translate(source, args.beam)
    else:
        target = translator.encode(args.translation, translator.target)
    source_pieces = translator.pieces(source, translator.source)
    target_pieces = translator.pieces(target, translator.target)

    def spell(word: list[str]) -> str:
        return translator.spell(word).replace("\t", " ")  # a tab would break the table

    found = saliency(translator.model, source, target, source_pieces, target_pieces, spell)

    words = [("source", word) for word in found.source_words] + [("target", word) for word in found.target_words]
    values = [*found.source.tolist(), *found.target.tolist()]
    rows = [(*word, *(f"{value:.4f}" for value in row)) for word, row in zip(words, values, strict=True)]
    save_table(f"{prefix}.tsv", ("side", "word", *found.target_words), rows)
    with figure(f"{prefix}.png", 2 + 0.4 * len(found.target_words), 2 + 0.3 * len(rows)) as plot:
        draw_saliency(found, plot)
    print(translator.spell([piece for piece in target_pieces if piece != "</s>"]))
