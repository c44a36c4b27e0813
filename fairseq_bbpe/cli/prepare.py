"""Make a fairseq data-bin from raw parallel files, and print the commands that train, generate and score on it.

Each PREFIX stands for two files of equally many lines, PREFIX.SOURCE and PREFIX.TARGET. The vocabulary is learned on
both sides of the training files together. DESTDIR then holds what fairseq-preprocess would write, the model of the
vocabulary, and the raw validation and test files, to score against, under raw/. It appears whole or not at all.

Vocabularies: byte (256), bbpe:N (N pieces, bytes and merges of them), char (all characters), bpe:N (N pieces of
characters), which use fairseq's --bpe sentencepiece; and fairseq:N, its own byte_level_bpe recipe, to compare with, for
--bpe byte_bpe. For the last three, white space of any kind is one space.
"""

import argparse
from pathlib import Path

from fairseq_bbpe.cli.arguments import add_workers, positive
from fairseq_bbpe.corpus.next_commands import next_commands
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.corpus.preparation import prepare
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.specification import Specification, load_vocabulary

EXAMPLE = """\
fairseq-bbpe prepare --source-lang ja --target-lang en --vocab bbpe:4096 --destdir data-bin/ja-en \\
  --trainpref train --validpref valid --testpref test"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `prepare`."""
    parser.add_argument("--source-lang", required=True, metavar="SOURCE", help="suffix of the files to translate from")
    parser.add_argument("--target-lang", required=True, metavar="TARGET", help="suffix of the files to translate to")
    parser.add_argument("--trainpref", metavar="PREFIX", help="training files (default: none, for a trained model)")
    parser.add_argument("--validpref", metavar="PREFIX[,PREFIX]", help="validation files (default: none)")
    parser.add_argument("--testpref", metavar="PREFIX[,PREFIX]", help="test files (default: none)")
    parser.add_argument(
        "--only-source", action="store_true", help="text to translate, without PREFIX.TARGET: for a trained model"
    )
    vocabulary = parser.add_mutually_exclusive_group(required=True)
    vocabulary.add_argument(
        "--vocab", metavar="SPEC", help="vocabulary to learn: byte, bbpe:N, char, bpe:N, fairseq:N; or a .model file"
    )
    vocabulary.add_argument(
        "--model", metavar="PATH", help="vocabulary to use as it is, learned elsewhere: to transfer a model"
    )
    parser.add_argument(
        "--at-most", action="store_true", help="where the text supports fewer than N pieces, learn as many as it does"
    )
    parser.add_argument(
        "--sample",
        type=positive,
        metavar="LINES",
        help="learn from so many training lines, drawn evenly; only they are kept in memory (default: all lines)",
    )
    parser.add_argument("--destdir", required=True, metavar="DESTDIR", help="folder to make")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a DESTDIR that 'prepare' made, if it holds nothing else"
    )
    add_workers(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare, and print what to run next."""
    specification = Specification.parse(args.vocab) if args.vocab else Specification.of_file(args.model)
    for flag, given in (("--at-most", args.at_most), ("--sample", args.sample)):
        if given and specification.path is not None:
            model = f"--model {args.model}" if args.model else f"--vocab {args.vocab}"
            raise UserError(f"{flag}: {model} is taken as it is: give --vocab SPEC, or leave {flag} out")
    if args.only_source and args.trainpref:
        raise UserError("--only-source: --trainpref needs both sides: leave one of the two out")
    prefixes = (args.trainpref, args.validpref, args.testpref)
    corpus = Corpus.of_prefixes(args.source_lang, args.target_lang, *prefixes, only_source=args.only_source)
    if specification.path is not None:
        load_vocabulary(specification.path)
    if not args.destdir:
        raise UserError("--destdir: is empty: give a folder to make")
    destination = Path(args.destdir)
    prepared = prepare(
        corpus,
        specification,
        destination,
        overwrite=args.overwrite,
        workers=args.workers,
        at_most=args.at_most,
        sample=args.sample or 0,
    )
    print(next_commands(corpus, prepared, destination))
