"""The flags of every system of both papers at every scale, parsed by fairseq's own parser."""

import pytest
from conftest import ROOT

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.corpus import read_corpora
from fairseq_bbpe.experiments.flags import check_flags, to_flags
from fairseq_bbpe.experiments.job import Hardware, Job
from fairseq_bbpe.experiments.system import SCALES, read_experiments
from fairseq_bbpe.experiments.workspace import Workspace

HARDWARE = Hardware("a CPU")


def jobs(paper, scale, tmp_path):
    """A job of each model of a paper that a table of this scale trains, and its workspace's corpora unread."""
    path = ROOT / "examples" / paper / "systems.yaml"
    found = read_experiments(path)
    if scale not in found.scales:
        return []
    corpora = read_corpora(path.parent / found.corpora)
    workspace = Workspace(tmp_path, scale, found.scales[scale], corpora, None)
    names = {name for table in found.tables.values() for name in table.names(scale)}
    by_model = {(found.systems[name].model, found.systems[name].context): name for name in sorted(names)}
    every = [Job(name, 1, Budget("updates", 1), HARDWARE, workspace, found) for name in by_model.values()]
    return [job for job in every if "arch" in job.options()]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", ["bbpe", "bytenet"])
def test_fairseq_takes_the_flags(paper, scale, tmp_path):
    found = jobs(paper, scale, tmp_path)
    assert found or (paper, scale) == ("bytenet", "big")
    for job in found:
        check_flags(job.name, "fairseq-train", [*job.train_arguments(), *job.budget.flags])


def test_an_update_has_its_tokens_on_any_number_of_gpus(tmp_path):
    from dataclasses import replace

    job = jobs("bbpe", "base", tmp_path)[0]
    for gpus in (1, 2, 3, 4, 8):
        there = replace(job, hardware=Hardware("a GPU", 4, tuple(range(gpus))))
        at_once = gpus * job.workspace.scale.max_tokens
        assert 32768 <= there.update_freq * at_once < 32768 + at_once
        assert there.train_arguments()[-3:] == ["--bf16", "--distributed-world-size", str(gpus)]


@pytest.mark.parametrize(
    ("option", "words"), [({"lr": "fast"}, "lr"), ({"arch": "lstm_bytes"}, "--arch"), ({"depth": 3}, "--depth 3")]
)
def test_what_fairseq_does_not_take_is_told_in_one_line(option, words, tmp_path):
    job = jobs("bbpe", "tiny", tmp_path)[0]
    with pytest.raises(UserError, match=r"^systems\.x: fairseq-train would say: ") as raised:
        check_flags("systems.x", "fairseq-train", [*job.train_arguments(), *to_flags(option)])
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
