"""Mean lengths of sentences in tokens (Table 4 of the BBPE paper)."""

from __future__ import annotations

from collections import Counter

from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.analysis.partial_characters import percent
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary

LENGTH_COLUMNS = ("pieces", "source", "target", "both", "source/target", "source_%_of_bytes", "target_%_of_bytes")


def length_row(vocabulary: SubwordVocabulary, source: Counter, target: Counter, text: ParallelText) -> tuple:
    """The `LENGTH_COLUMNS` of one vocabulary from the counts of its pieces on both sides of `text`.

    No </s> is counted. Tokens in per cent of the bytes compare texts whose sentences are not equally long.
    """
    lines = text.lines
    return (
        len(vocabulary.pieces),
        f"{source.total() / lines:.2f}",
        f"{target.total() / lines:.2f}",
        f"{(source.total() + target.total()) / lines:.2f}",
        f"{source.total() / target.total():.3f}" if target else "-",
        percent(source.total(), text.source_bytes),
        percent(target.total(), text.target_bytes),
    )
