"""One sentence in many vocabularies (Figures 1 and 5 of the BBPE paper)."""

from __future__ import annotations

from fairseq_bbpe.text.alphabet import bytes_to_symbols
from fairseq_bbpe.text.display import show_piece
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary

TOKEN_COLUMNS = ("source_tokens", "target_tokens", "source", "target")


def show_tokens(vocabulary: SubwordVocabulary, sentence: str) -> list[str]:
    """The tokens of a sentence as `fairseq-bbpe show` prints them, whatever the kind of vocabulary."""
    pieces = vocabulary.encode_lines([sentence.encode("utf-8", "surrogateescape")])[0].split()
    return [show_piece(bytes_to_symbols(vocabulary.spell(piece))) for piece in pieces]


def token_row(vocabulary: SubwordVocabulary, source: str, target: str) -> tuple:
    """The `TOKEN_COLUMNS` of one vocabulary."""
    shown = [show_tokens(vocabulary, sentence) for sentence in (source, target)]
    return (*map(len, shown), *map(" ".join, shown))
