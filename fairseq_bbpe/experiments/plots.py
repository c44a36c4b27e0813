"""The plots of trained systems' scores, from the rows of their table."""

from __future__ import annotations

from statistics import mean
from typing import Any

Rows = list[dict[str, Any]]
NAMES = {"bleu": "BLEU", "chrf": "chrF"}


def whole_sets(rows: Rows) -> Rows:
    """The rows of all sentences together, of the first set where no row is of all.

    >>> whole_sets([{"set": "valid"}, {"set": "de"}])
    [{'set': 'valid'}]
    """
    whole = [row for row in rows if row["set"] in ("all", "valid")]
    return whole or [row for row in rows if row["set"] == rows[0]["set"]]


def draw_scores(rows: Rows, metric: str, path: str) -> None:
    """A bar a system, the mean of its seeds, and a point a seed."""
    from fairseq_bbpe.analysis.figures import figure

    labels = list(dict.fromkeys(row["label"] for row in rows))
    with figure(path, 7, 1.5 + 0.28 * len(labels)) as plot:
        axes = plot.subplots()
        for number, label in enumerate(labels):
            scores = [row[metric] for row in rows if row["label"] == label]
            axes.barh(number, mean(scores), color="#4477aa", height=0.6)
            axes.plot(scores, [number] * len(scores), ".", color="black")
            axes.annotate(f" {mean(scores):.1f}", (max(scores), number), va="center", fontsize="small")
        axes.margins(x=0.12)  # room for the scores
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(f"{NAMES[metric]}; a point is a seed")
        axes.set_title(f"{rows[0]['corpus']}, {rows[0]['set']}, scale {rows[0]['scale']}", fontsize="medium")


def draw_contexts(rows: Rows, metric: str, path: str) -> None:
    """A group of bars a vocabulary, one for each context: means over seeds."""
    from fairseq_bbpe.analysis.contextualization import draw_contextualization
    from fairseq_bbpe.analysis.figures import figure

    scores: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        scores.setdefault((row["vocabulary"], row["context"]), []).append(row[metric])
    cells = [[*key, f"{mean(found):.4f}"] for key, found in scores.items()]
    vocabularies = len({vocabulary for vocabulary, _ in scores})
    with figure(path, 3 + 1.2 * vocabularies, 4) as plot:
        draw_contextualization(["vocabulary", "context", metric], cells, plot.subplots(), metric)
