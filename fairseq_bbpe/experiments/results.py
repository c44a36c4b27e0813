"""Rows of a table of trained systems: a score with all that is needed to judge it and to compute it again."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from fairseq_bbpe.experiments.corpus import Text
from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.vocabulary_name import parse_vocabulary
from fairseq_bbpe.experiments.workspace import read_state

COLUMNS = (
    *("system", "label", "seed", "set", "sentences", "paper", "bleu", "difference", "chrf", "brevity_penalty"),
    *("invalid", "scale", "corpus", "pairs", "tokenised", "vocabulary", "pieces", "context", "paper_params"),
    *("parameters", "trainable", "budget", "updates", "minutes", "sentences_seen", "tokens_seen", "train_sentences_s"),
    *("train_tokens_s", "generate_sentences_s", "generate_tokens_s", "hardware", "commit", "data", "command"),
    *("bleu_signature", "chrf_signature"),
)
# The languages of the paper's Table 7, as corpora may call them.
CODES = {"ara": "ar", "deu": "de", "heb": "he", "ita": "it", "aze": "az", "bel": "be", "glg": "gl", "slk": "sk"}


def of_text(text: Text) -> dict[str, Any]:
    """What a row says of its corpus."""
    return {"pairs": text.pairs(), "tokenised": "yes" if text.tokenised() else "no", "data": text.sha256()}


def rows_of(job: Job, split: str, command: list[str], corpus: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a system with a seed, one a test set or language.

    Args:
        command: without the systems and the budget.
        corpus: what `of_text` says.
    """
    scored = read_state(job.folder / f"{split}.json")
    state, start = job.state, job.start()
    if job.system.frozen and start is not None:
        state = {key: start.state[key] for key in ("parameters", "hardware", "commit")}
    progress = state.get("progress", dict.fromkeys(("updates", "minutes", "sentences", "tokens"), 0))
    seconds = progress["minutes"] * 60
    paper = _paper(job)
    facts = {
        "system": job.name,
        "label": label(job),
        "seed": job.seed,
        "scale": job.workspace.scale_name,
        "corpus": job.system.corpus,
        "pairs": min(corpus["pairs"], job.system.pairs or corpus["pairs"]),
        "tokenised": corpus["tokenised"],
        "vocabulary": job.system.vocabulary,
        "pieces": job.data.pieces,
        "context": job.system.context or "-",
        "paper_params": f"{paper['params']:g}M" if "params" in paper else "-",
        "parameters": state.get("parameters", "-"),
        "trainable": state.get("trainable", 0),
        "budget": str(job.budget) if not job.system.frozen else "-",
        "updates": progress["updates"],
        "minutes": round(progress["minutes"], 2),
        "sentences_seen": progress["sentences"],
        "tokens_seen": progress["tokens"],
        "train_sentences_s": f"{progress['sentences'] / seconds:.1f}" if seconds else "-",
        "train_tokens_s": f"{progress['tokens'] / seconds:.0f}" if seconds else "-",
        "generate_sentences_s": scored["sentences_s"],
        "generate_tokens_s": scored["tokens_s"],
        "hardware": state.get("hardware", job.trains_on),
        "commit": state.get("commit", "-"),
        "data": corpus["data"],
        "command": recompute(job, command),
    }
    rows = [facts | _score(found, paper, job) for found in scored["scores"]]
    return [{column: row[column] for column in COLUMNS} for row in rows]


def _score(found: dict[str, Any], paper: dict[str, float], job: Job) -> dict[str, Any]:
    theirs = paper.get(found["group"])
    return {
        "set": "valid" if found["split"] == "valid" and found["group"] == "all" else found["group"],
        "sentences": found["sentences"],
        "bleu": found["bleu"],
        "chrf": found["chrf"],
        "brevity_penalty": found.get("brevity_penalty", "-"),
        "invalid": found["invalid"] if job.byte_level else "-",
        "paper": "-" if theirs is None else theirs,
        "difference": "-" if theirs is None else f"{found['bleu'] - theirs:+.2f}",
        "bleu_signature": found["bleu_signature"],
        "chrf_signature": found["chrf_signature"],
    }


def _paper(job: Job) -> dict[str, float]:
    """The paper's figures of the scale, languages under both of their codes."""
    found = job.system.paper.get(job.workspace.scale_name, {})
    return found | {CODES[name]: figure for name, figure in found.items() if name in CODES}


def label(job: Job) -> str:
    """The system's label, with the vocabulary's real size where the text supports fewer pieces than were asked for."""
    asked, real = parse_vocabulary(job.system.vocabulary).size, job.data.pieces
    return f"{job.system.label} ({real:,} pieces)" if asked and real < asked else job.system.label


def recompute(job: Job, command: list[str]) -> str:
    """The commands that compute a row again: of what it starts from, then of itself, by updates.

    With one thread they come to the same figures, whatever the budget was in.
    """
    start, updates = job.start(), job.state.get("progress", {}).get("updates")
    first = f"{recompute(start, command)} && " if start else ""
    budget = [] if updates is None else ["--updates", str(updates)]
    threads = "" if job.hardware.gpus else f"OMP_NUM_THREADS={job.hardware.threads} "
    own = ["--systems", job.name, "--seeds", str(job.seed), *budget]
    return f"{first}{threads}{shlex.join([*command, *own])}"


def ends(languages: Path) -> list[str]:
    """The four languages with most training pairs, and the four with fewest; all where there are no more than 12."""
    ordered = [code for code, _ in Counter(languages.read_text(encoding="utf-8").split()).most_common()]
    return ordered if len(ordered) <= 12 else ordered[:4] + ordered[-4:]
