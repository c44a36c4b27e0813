"""Tables of text and vocabularies, the BBPE paper's and one more, each from parallel text and what is learned on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairseq_bbpe.analysis.character_sets import DATASET_COLUMNS, count_characters, dataset_row
from fairseq_bbpe.analysis.language_costs import count_lengths, gini, premiums
from fairseq_bbpe.analysis.parallel_text import ParallelText
from fairseq_bbpe.analysis.partial_characters import PARTIAL_COLUMNS, partial_row
from fairseq_bbpe.analysis.piece_counts import count_by_language, count_pieces
from fairseq_bbpe.analysis.piece_frequencies import frequency_table
from fairseq_bbpe.analysis.sharing import sharing_column
from fairseq_bbpe.analysis.tables import Table
from fairseq_bbpe.analysis.token_lengths import LENGTH_COLUMNS, length_row
from fairseq_bbpe.analysis.tokens import TOKEN_COLUMNS, token_row
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary

Vocabularies = Iterable[SubwordVocabulary]


def datasets(text: ParallelText, name: str, split: str) -> Table:
    """Table 1: one row of lines, languages, characters, bytes and distinct characters."""
    return ("corpus", "split", *DATASET_COLUMNS), [(name, split, *dataset_row(text))]


def partial(text: ParallelText, vocabularies: Vocabularies, name: str, workers: int = 1) -> Table:
    """Table 3: the share of tokens that hold a part of a character, and the characters that are decomposed."""
    source_characters, target_characters = count_characters(text)
    rows = []
    for vocabulary in vocabularies:
        source, target = count_pieces(text, vocabulary, workers)
        row = partial_row(vocabulary, source + target, source_characters | target_characters)
        rows.append((name, vocabulary.name, *row))
    return ("corpus", "vocabulary", *PARTIAL_COLUMNS), rows


def lengths(text: ParallelText, vocabularies: Vocabularies, name: str, workers: int = 1) -> Table:
    """Table 4: mean lengths of sentences in tokens."""
    rows = []
    for vocabulary in vocabularies:
        counts = count_pieces(text, vocabulary, workers)
        rows.append((name, vocabulary.name, *length_row(vocabulary, *counts, text)))
    return ("corpus", "vocabulary", *LENGTH_COLUMNS), rows


def frequencies(text: ParallelText, vocabularies: Vocabularies, workers: int = 1) -> Table:
    """Figure 2: pieces by descending frequency, a column a vocabulary."""
    counts = {}
    for vocabulary in vocabularies:
        source, target = count_pieces(text, vocabulary, workers)
        counts[vocabulary.name] = source + target
    return frequency_table(counts)


def sharing(
    text: ParallelText, vocabularies: Vocabularies, among: Sequence[str] | None = None, workers: int = 1
) -> Table:
    """Figure 3: how many pieces occur in 0, 1, 2, ... of the source side's languages, a column a vocabulary.

    Raises `UserError` where a language of `among` is not in the text.
    """
    found = sorted({code for _, _, codes in text.blocks("languages") for code in codes})
    among = list(dict.fromkeys(among or found))
    for code in among:
        if code not in found:
            raise UserError(f"--among {code}: not in {text.languages}, which has {', '.join(found)}")
    columns = {}
    for vocabulary in vocabularies:
        counts = count_by_language(text, vocabulary, workers)
        columns[vocabulary.name] = sharing_column(vocabulary.pieces, counts, among)
    return ("languages", *columns), list(zip(range(len(among) + 1), *columns.values(), strict=False))


def premium_tables(text: ParallelText, vocabularies: Vocabularies, workers: int = 1) -> tuple[Table, list[tuple]]:
    """Premiums by language, a column a vocabulary; and for each vocabulary what sums them up.

    A summary is (vocabulary, mean pieces of a source line, of a target line, highest premium, its language, Gini).
    """
    counts: dict = {}
    columns, summary = {}, []
    for vocabulary in vocabularies:
        counts = count_lengths(text, vocabulary, workers)
        found = columns[vocabulary.name] = premiums(counts)
        source, target = (sum(count[side] for count in counts.values()) / text.lines for side in ("source", "target"))
        highest, language = max((premium, language) for language, premium in found.items())
        summary.append((vocabulary.name, source, target, highest, language, gini([*found.values()])))
    rows = [
        (language, count["lines"], *(f"{column[language]:.3f}" for column in columns.values()))
        for language, count in sorted(counts.items(), key=lambda item: (-item[1]["lines"], item[0]))
    ]
    return (("language", "lines", *columns), rows), summary


def tokens(vocabularies: Vocabularies, name: str, source: str, target: str) -> Table:
    """Figures 1 and 5: one pair of sentences in every vocabulary."""
    rows = [(name, vocabulary.name, *token_row(vocabulary, source, target)) for vocabulary in vocabularies]
    return ("corpus", "vocabulary", *TOKEN_COLUMNS), rows
