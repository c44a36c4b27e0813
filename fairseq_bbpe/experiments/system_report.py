"""The report of trained systems: the paper's BLEU beside ours, chrF, and what each system took."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from fairseq_bbpe.experiments.report import Report, Section
from fairseq_bbpe.experiments.system import Scale


def spread(values: Sequence[float]) -> str:
    """The mean over seeds, with its standard deviation where there are several.

    >>> spread([30.0]), spread([30.0, 31.0, 32.0])
    ('30.00', '31.00 ± 1.00')
    """
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def of_systems(
    title: str,
    rows: list[dict[str, Any]],
    shown: list[str] | None,
    scale: Scale,
    equal: str,
    tested: Sequence[Section] = (),
) -> Report:
    """The report of trained systems; of the sets only those `shown`, and those of the paper; and what was `tested`."""
    by_cell: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_cell.setdefault((row["system"], row["set"]), []).append(row)
    systems = list(dict.fromkeys(row["system"] for row in rows))
    sets = list(dict.fromkeys(row["set"] for row in rows))
    if shown is not None:
        sets = [name for name in sets if name in ("all", "valid", *shown) or _paper_has(rows, name)]
    first = {row["system"]: row for row in reversed(rows)}

    def table(value) -> list[list[str]]:
        return [
            [first[system]["label"], *(value(by_cell.get((system, name), [])) for name in sets)] for system in systems
        ]

    heading = "BLEU"
    if any(row["paper"] != "-" for row in rows):
        heading += ": the paper's / ours / the difference; ours alone where the paper has none"
    sections: list[Section] = [
        (heading, ["", *sets], table(_bleu)),
        ("chrF", ["", *sets], table(lambda found: spread([row["chrf"] for row in found]) if found else "")),
    ]
    if all(row["brevity_penalty"] != "-" for row in rows):
        penalties = table(lambda found: f"{mean(row['brevity_penalty'] for row in found):.3f}" if found else "")
        sections.append(("Brevity penalty of BLEU", ["", *sets], penalties))
    sections += tested
    sections.append(_taken(systems, first))
    return Report(title, {"": _columns(rows)}, sections, _notes(rows, scale, equal, by_cell, systems, sets))


def _paper_has(rows: list[dict[str, Any]], name: str) -> bool:
    return any(row["set"] == name and row["paper"] != "-" for row in rows)


def _bleu(found: list[dict[str, Any]]) -> str:
    if not found:
        return ""
    ours = spread([row["bleu"] for row in found])
    if found[0]["paper"] == "-":
        return ours
    return f"{found[0]['paper']:g} / {ours} / {mean(row['bleu'] for row in found) - found[0]['paper']:+.2f}"


def _columns(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    header = list(rows[0])
    return header, [[row[name] for name in header] for row in rows]


def _taken(systems: list[str], first: dict[str, dict[str, Any]]) -> Section:
    """What each system took, of its first seed."""
    columns = {
        "pieces": "pieces",
        "updates": "updates",
        "minutes": "minutes",
        "sentences seen": "sentences_seen",
        "target tokens seen": "tokens_seen",
        "training, sentences/s": "train_sentences_s",
        "tokens/s": "train_tokens_s",
        "generation, sentences/s": "generate_sentences_s",
        "invalid before recovery": "invalid",
    }
    rows = []
    for system in systems:
        row = first[system]
        size = f"{row['parameters'] / 1e6:.1f}M" if row["parameters"] != "-" else "-"
        params = size if row["paper_params"] == "-" else f"{row['paper_params']} / {size}"
        rows.append([row["label"], params, f"{row['trainable'] / 1e6:.1f}M", *(row[key] for key in columns.values())])
    return (
        "What the first seed of each took (parameters: the paper's / ours)",
        ["", "parameters", "trained", *columns],
        rows,
    )


def _notes(rows, scale: Scale, equal: str, by_cell, systems, sets) -> list[str]:
    name, notes = rows[0]["scale"], []
    if not scale.results:
        notes.append(f"**Scale {name} trains for seconds: this says that all runs, and nothing about translation.**")
    elif name == "small":
        notes.append(
            "The vocabularies, models and corpora are smaller than the paper's, in its proportions: what compares with "
            "the paper is the order of the systems and the gaps between them."
        )
    notes.append(f"Equal for all: {equal}.")
    for corpus in {row["corpus"]: row for row in rows}.values():
        counts = sorted({row["pairs"] for row in rows if row["corpus"] == corpus["corpus"]}, reverse=True)
        pairs = " or ".join(f"{count:,}" for count in counts)
        marks = ", **its references are tokenised**" if corpus["tokenised"] == "yes" else ""
        notes.append(
            f"{corpus['corpus']}: {pairs} training pairs, sha256 {corpus['data']}{marks}. Scale {name}. "
            + " ".join(
                f"{key.capitalize()} {'; '.join(dict.fromkeys(str(row[key]) for row in rows))}."
                for key in ("hardware", "commit", "seed")
            )
        )
    found = {each: by_cell[systems[0], each] for each in sets if (systems[0], each) in by_cell}
    sizes = ", ".join(f"{each} {of[0]['sentences']}" for each, of in found.items())
    notes.append(f"Sentences: {sizes}. `{rows[0]['bleu_signature']}`, `{rows[0]['chrf_signature']}`")
    first = rows[0]
    notes.append(f"The first row again, at commit {first['commit']}: `{first['command']}`. The TSV has those of all.")
    return notes
