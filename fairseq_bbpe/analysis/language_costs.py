"""What a vocabulary costs each language: tokenization premiums, and how unequal they are.

The premium of Petrov et al. (2023), "Language Model Tokenizers Introduce Unfairness Between Languages", for text whose
languages do not translate each other, but all translate into one: a language's pieces over those of its translation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary


def count_lengths(text: ParallelText, vocabulary: SubwordVocabulary, workers: int = 1) -> dict[str, Counter]:
    """For each language code: its ``lines``, and its pieces in the ``source`` and the ``target``."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for source, target, languages in text.blocks(vocabulary.name):
        encoded = (vocabulary.encode_lines(lines, workers) for lines in (source, target))
        for language, source_pieces, target_pieces in zip(languages, *encoded, strict=True):
            length = {"source": len(source_pieces.split()), "target": len(target_pieces.split())}
            counts[language].update(lines=1, **length)
    return dict(counts)


def premiums(counts: Mapping[str, Counter]) -> dict[str, float]:
    """Pieces of each language's lines over those of their translation: 2 is twice as many as the same in the target.

    Raises `UserError` where a language has no translation, or no code that fits a table.

    >>> premiums({"de": Counter(lines=2, source=12, target=10), "my": Counter(lines=1, source=15, target=6)})
    {'de': 1.2, 'my': 2.5}
    """
    for language, count in counts.items():
        if not language or set(language) & set("\t\r"):
            raise UserError(f"--languages: a line holds {language!r}: give every line the code of its language")
        if not count["target"]:
            raise UserError(f"language {language}: all its target lines are empty: give text with a translation")
    return {language: count["source"] / count["target"] for language, count in counts.items()}


def gini(costs: Sequence[float]) -> float:
    """The Gini coefficient, sum_ij |x_i - x_j| / (2 n sum_i x_i): 0 where all are equal, towards 1 where one bears all.

    >>> gini([1, 1, 1]), gini([1, 3]), gini([0, 0, 0, 8])
    (0.0, 0.25, 0.75)
    """
    if not any(costs):
        return 0.0
    differences = sum(abs(one - other) for one in costs for other in costs)
    return differences / (2 * len(costs) * sum(costs))
