"""A byte-level vocabulary as the tokenizer files of Hugging Face `tokenizers` and of `tiktoken`.

All three segment a word by merging, again and again, the two neighbours that make the piece learned first; words begin
at spaces. sentencepiece and tiktoken rank what a merge makes, `tokenizers` the pair that it is made of: so every way to
split a piece into two known ones becomes a pair, in the order in which merges prefer the pieces.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.model_file import FAIRSEQ_SPECIALS

WORD = " [^ ]*|[^ ]+"


def gpt2_alphabet() -> str:
    """The character for every byte in `tokenizers`' ByteLevel: printable Latin-1 its own, the rest from U+0100 on."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return "".join(chr(byte if byte in own else next(others)) for byte in range(256))


def fairseq_ids(vocabulary: Vocabulary) -> dict[bytes, int]:
    """The id of every piece's bytes in fairseq's dictionary, after its four special symbols.

    Raises:
        UserError: the dictionary beside the model has other ids.
    """
    ids = {vocabulary.spell(piece): number for number, piece in enumerate(vocabulary.pieces, len(FAIRSEQ_SPECIALS))}
    for path in sorted(Path(vocabulary.name).parent.glob("dict.*.txt")) if Path(vocabulary.name).is_file() else []:
        lines = path.read_text(encoding="utf-8").splitlines()
        if [line.split(" ", 1)[0] for line in lines if not line.startswith("madeupword")] != vocabulary.pieces:
            raise UserError(f"{path}: not the dictionary of {vocabulary.name}: give the .model that made it: --model")
    return ids


def tokenizers_json(vocabulary: Vocabulary) -> str:
    """The text of a ``tokenizer.json``: encoding adds `</s>`, and no text holds a special symbol.

    Raises:
        UserError: a piece that is spelled like one of fairseq's special symbols.
    """
    clash = sorted(set(FAIRSEQ_SPECIALS).intersection(vocabulary.pieces))
    if clash:
        raise UserError(
            f"{vocabulary.name}: the piece {clash[0]} is spelled like fairseq's own symbol, and tokenizer.json has one "
            "id for each spelling: learn a vocabulary of another size"
        )
    ids = fairseq_ids(vocabulary)
    alphabet = gpt2_alphabet()

    def written(piece: bytes) -> str:
        return "".join(map(alphabet.__getitem__, piece))

    merges = [
        [written(piece[:cut]), written(piece[cut:])]
        for piece in map(vocabulary.spell, vocabulary.merge_order)
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    words = {"type": "Split", "pattern": {"Regex": WORD}, "behavior": "Isolated", "invert": False}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    parts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],  # these would be found in texts that spell them
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [words, byte_level]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [parts[0], end],
            "pair": [parts[0], end, parts[1], end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [FAIRSEQ_SPECIALS.index("</s>")], "tokens": ["</s>"]}},
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {
                **{special: number for number, special in enumerate(FAIRSEQ_SPECIALS)},
                **{written(piece): number for piece, number in ids.items()},
            },
            "merges": merges,
        },
    }
    return json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n"


def tiktoken_ranks(vocabulary: Vocabulary) -> str:
    r"""The lines of a ``.tiktoken`` file, piece in base64 and rank, to use with the pattern `WORD`.

    Ranks follow the merges, from 4 on: fairseq's ids are of the dictionary's order.

    Raises:
        UserError: a piece that its own bytes are not segmented to, which tiktoken would find all the same.
    """
    ids = fairseq_ids(vocabulary)
    segmented = vocabulary.encode_lines(list(ids))
    for piece, pieces in zip(vocabulary.pieces, segmented, strict=True):
        if pieces != piece:
            raise UserError(
                f"{vocabulary.name}: the piece {piece!r} never comes out of the text that it spells, but tiktoken "
                "would give it: use --format tokenizers"
            )
    ranked = enumerate(map(vocabulary.spell, vocabulary.merge_order), len(FAIRSEQ_SPECIALS))
    return "".join(f"{base64.b64encode(piece).decode()} {rank}\n" for rank, piece in ranked)
