"""How often each piece of a vocabulary occurs in running text: the counts behind the BBPE paper's Tables 3 and 4 and
Figures 2 and 3."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain

from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary


def count_pieces(text: ParallelText, vocabulary: SubwordVocabulary, workers: int = 1) -> tuple[Counter, Counter]:
    """Count the pieces of both sides: (source, target)."""
    source: Counter = Counter()
    target: Counter = Counter()
    for source_lines, target_lines, _ in text.blocks(vocabulary.name):
        for counts, lines in ((source, source_lines), (target, target_lines)):
            counts.update(chain.from_iterable(map(str.split, vocabulary.encode_lines(lines, workers))))
    return source, target


def count_by_language(text: ParallelText, vocabulary: SubwordVocabulary, workers: int = 1) -> dict[str, Counter]:
    """Count the pieces of the source side for each language code."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for source_lines, _, languages in text.blocks(vocabulary.name):
        for language, pieces in zip(languages, vocabulary.encode_lines(source_lines, workers), strict=True):
            counts[language].update(pieces.split())
    return dict(counts)
