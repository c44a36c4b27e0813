"""What contextualizing the embeddings gains for each vocabulary (Figure 4 of the BBPE paper)."""

from __future__ import annotations

from collections.abc import Sequence

from fairseq_bbpe.analysis.palette import bar_style
from fairseq_bbpe.errors import UserError

CONTEXTS = ("none", "conv", "gru", "mixture")
METRICS = {"bleu": "BLEU", "chrf": "chrF"}


def draw_contextualization(header: Sequence[str], rows: Sequence[Sequence[str]], axes, metric: str = "bleu") -> None:
    """Draw columns vocabulary, context and `metric` as groups of bars; ``-`` leaves a gap.

    The axis starts near the lowest score, as the paper's does, to show the gains.

    Raises:
        UserError: a column is missing, or a context or a score is none.
    """
    for column in ("vocabulary", "context", metric):
        if column not in header:
            raise UserError(f"the table has no column {column}: it has {', '.join(header)}")
    index = {name: header.index(name) for name in ("vocabulary", "context", metric)}
    vocabularies = list(dict.fromkeys(row[index["vocabulary"]] for row in rows))
    scores: dict[tuple[str, str], float] = {}
    for row in rows:
        vocabulary, context, score = (row[number] for number in index.values())
        if context not in CONTEXTS:
            raise UserError(f"the table has a context {context}: give {', '.join(CONTEXTS)}")
        if score != "-":
            scores[vocabulary, context] = _score(score, metric)
    if not scores:
        raise UserError(f"the table has no score in the column {metric}: give a table of trained systems")

    contexts = [context for context in CONTEXTS if any((v, context) in scores for v in vocabularies)]
    width = 0.81 / len(contexts)
    for number, context in enumerate(contexts):
        at = (number - (len(contexts) - 1) / 2) * width
        bars = [(n + at, scores[v, context]) for n, v in enumerate(vocabularies) if (v, context) in scores]
        drawn = axes.bar(*zip(*bars, strict=True), width, label=context, **bar_style(CONTEXTS.index(context)))
        axes.bar_label(drawn, fmt="%.1f", fontsize="x-small", padding=1)
    spread = max(scores.values()) - min(scores.values()) or 1
    bottom = max(0.0, min(scores.values()) - 0.25 * spread)
    axes.set_ylim(bottom, max(scores.values()) + 0.3 * spread)
    axes.set_xticks(range(len(vocabularies)), vocabularies)
    axes.set_ylabel(f"validation {METRICS[metric]}" + (f" (axis from {bottom:.1f})" if bottom else ""))
    axes.legend(fontsize="small", ncols=len(contexts))


def _score(value: str, metric: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UserError(f"the table has a {metric} of {value}: give a number, or - where there is none") from None
