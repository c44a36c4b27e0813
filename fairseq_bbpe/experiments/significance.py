"""Whether systems differ by more than chance: paired bootstrap resampling (Koehn, 2004) by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from fairseq_bbpe.experiments.job import Job
from fairseq_bbpe.experiments.report import Section
from fairseq_bbpe.experiments.results import label
from fairseq_bbpe.scoring import read_hypotheses

SAMPLES = 1000


def against(baseline: str, jobs: Sequence[Job], split: str) -> Section | None:
    """BLEU and chrF of each system less those of `baseline`, and p; None where nothing can be compared with it.

    The sentences of all seeds that both systems have are resampled together, each with its pair.
    """
    by_system: dict[str, dict[int, Job]] = {}
    for job in jobs:
        by_system.setdefault(job.name, {})[job.seed] = job
    base = by_system.pop(baseline, {})
    rows = []
    for seeds in by_system.values():
        shared = sorted(base.keys() & seeds.keys())
        corpora = {found[seed].system.corpus for seed in shared for found in (base, seeds)}
        if shared and len(corpora) == 1:
            theirs, ours = ([text for seed in shared for text in _texts(found[seed], split)] for found in (base, seeds))
            references = base[shared[0]].workspace.text(corpora.pop()).references(split)[0] * len(shared)
            rows.append([label(seeds[shared[0]]), len(references), *compare(theirs, ours, references)])
    if not rows:
        return None
    heading = f"Against {label(next(iter(base.values())))}, all sets and seeds: paired bootstrap, {SAMPLES} samples"
    return heading, ["", "sentences", "BLEU", "p", "chrF", "p"], rows


def _texts(job: Job, split: str) -> list[str]:
    return read_hypotheses(job.folder / f"{split}.out").texts


def compare(baseline: Sequence[str], system: Sequence[str], references: Sequence[str]) -> list[str]:
    """Differences of BLEU and chrF, each followed by its p: how often chance alone makes one as large.

    >>> better = ["the cat sat on the mat", "a dog ran far away", "it is late now"] * 20
    >>> worse = ["a cat sat in the mat", "a dog run far away", "it was late now"] * 20
    >>> compare(worse, better, better)
    ['+96.35', '0.001', '+38.50', '0.001']
    """
    # Of equals sacreBLEU, which asks whether chance makes a larger difference, would say 0.001.
    if list(baseline) == list(system):
        return ["+0.00", "1.000"] * 2
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest, Result

    metrics = {"BLEU": BLEU(references=[references]), "chrF2": CHRF(references=[references])}
    systems: list[tuple[str, Sequence[str]]] = [("baseline", list(baseline)), ("system", list(system))]
    _, found = PairedTest(systems, metrics, [references], test_type="bs", n_samples=SAMPLES)()
    cells = []
    for metric in metrics:
        theirs, ours = cast(list[Result], found[metric])
        cells += [f"{ours.score - theirs.score:+.2f}", f"{ours.p_value:.3f}"]
    return cells
