"""Write a byte-level vocabulary for Hugging Face `tokenizers` (tokenizer.json), or for `tiktoken` (lines of ranks).

Segmentation is exact. tokenizer.json has the ids of fairseq's dictionary; tiktoken's ids are the ranks of merges, so
go by its tokens' bytes. With tiktoken, use the pattern ' [^ ]*|[^ ]+'.
"""

import argparse

from fairseq_bbpe.cli.arguments import add_model, add_output
from fairseq_bbpe.corpus.staging import replacing_file
from fairseq_bbpe.export.tokenizer_files import tiktoken_ranks, tokenizers_json
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

EXAMPLE = "fairseq-bbpe export tokenizers --model data-bin/cldr/bbpe.model --output tokenizer.json"
WRITERS = {"tokenizers": tokenizers_json, "tiktoken": tiktoken_ranks}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export tokenizers`."""
    add_model(parser)
    add_output(parser, "FILE", "to write")
    parser.add_argument(
        "--format", choices=WRITERS, default="tokenizers", help="whose file to write (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    text = WRITERS[args.format](Vocabulary.load(args.model))
    with replacing_file(args.output) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
