"""Segment files by a vocabulary, and by its exports for tokenizers and tiktoken: every piece must be the same.

    python scripts/check_tokenizers.py --model data-bin/cldr/bbpe.model corpus/train.src corpus/train.en

Prints a Markdown row a file: lines, pieces, lines that differ, and the status 1 where any does.
"""

import argparse
import base64
import sys
from pathlib import Path

import tiktoken
from tokenizers import Tokenizer
from tqdm import tqdm

from fairseq_bbpe import Vocabulary
from fairseq_bbpe.export.tokenizer_files import WORD, tiktoken_ranks, tokenizers_json
from fairseq_bbpe.vocabularies.model_file import FAIRSEQ_SPECIALS

BATCH = 20000  # lines that are held at once


def differing(lines: list[str], vocabulary: Vocabulary, tokenizer: Tokenizer, encoding: tiktoken.Encoding):
    """Pieces of `lines` and how many lines differ, in tokenizers and in tiktoken."""
    expected = [vocabulary.encode(line).split() for line in lines]
    numbers = {piece: number for number, piece in enumerate(vocabulary.pieces, len(FAIRSEQ_SPECIALS))}  # fairseq's
    numbered = [[numbers[piece] for piece in pieces] for pieces in expected]
    found = tokenizer.encode_batch(lines, add_special_tokens=False)
    spelled = encoding.decode_tokens_bytes
    tokens = encoding.encode_ordinary_batch(lines, num_threads=1)
    return (
        sum(map(len, expected)),
        sum(ids != line.ids for ids, line in zip(numbered, found, strict=True)),
        sum([*map(vocabulary.spell, a)] != spelled(b) for a, b in zip(expected, tokens, strict=True)),
    )


def main() -> int:
    """Compare on every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a BBPE vocabulary's model, such as data-bin/bbpe.model")
    parser.add_argument("files", nargs="+", type=Path, help="raw text in UTF-8")
    args = parser.parse_args()
    vocabulary = Vocabulary.load(args.model)
    tokenizer = Tokenizer.from_str(tokenizers_json(vocabulary))
    ranked = (line.split() for line in tiktoken_ranks(vocabulary).splitlines())
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in ranked}
    encoding = tiktoken.Encoding("bbpe", pat_str=WORD, mergeable_ranks=ranks, special_tokens={})
    print("| file | lines | pieces | differ, tokenizers | differ, tiktoken |\n|---|---:|---:|---:|---:|")
    totals = [0, 0, 0, 0]
    for path in tqdm(args.files, unit="file", disable=None):
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
        counts = [0, 0, 0, 0]
        for start in range(0, len(lines), BATCH):
            part = lines[start : start + BATCH]
            found = (len(part), *differing(part, vocabulary, tokenizer, encoding))
            counts = [sum(pair) for pair in zip(counts, found, strict=True)]
        totals = [sum(pair) for pair in zip(totals, counts, strict=True)]
        print("|", " | ".join([path.name, *map("{:,}".format, counts)]), "|", flush=True)
    print("|", " | ".join(["all", *map("{:,}".format, totals)]), "|")
    return int(any(totals[2:]))


if __name__ == "__main__":
    sys.exit(main())
