"""What a training is told that depends on its budget."""

from dataclasses import replace

import pytest
from conftest import ROOT

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget
from fairseq_bbpe.experiments.corpus import read_corpora
from fairseq_bbpe.experiments.job import Hardware, Job
from fairseq_bbpe.experiments.system import read_experiments
from fairseq_bbpe.experiments.workspace import Workspace

FOLDER = ROOT / "examples" / "bbpe"


def job(tmp_path, budget, scale="small", **own) -> Job:
    found = read_experiments(FOLDER / "systems.yaml")
    found.systems["en-de/byte+"].flags = {scale: own}
    workspace = Workspace(tmp_path, scale, found.scales[scale], read_corpora(FOLDER / "corpora.yaml"), None)
    return Job("en-de/byte+", 1, budget, Hardware("CPU"), workspace, found)


@pytest.mark.parametrize("updates", [100, 2_000_000])
def test_a_rate_that_ends_at_0_does_so_with_the_last_update(updates, tmp_path):
    assert job(tmp_path, Budget("updates", updates)).options()["total-num-update"] == str(updates)
    assert "total-num-update" not in job(tmp_path, Budget("updates", updates), "tiny").options()


def test_its_length_can_be_given(tmp_path):
    assert job(tmp_path, Budget("updates", 100), **{"total-num-update": 700}).options()["total-num-update"] == 700


@pytest.mark.parametrize("unit", ["minutes", "epochs"])
def test_other_budgets_do_not_say_which_is_the_last(unit, tmp_path):
    with pytest.raises(UserError, match=rf"^en-de/byte\+: lr-scheduler polynomial_decay .* not of {unit}"):
        job(tmp_path, Budget(unit, 3)).options()


@pytest.mark.parametrize("bfloat16", [False, True])
def test_bfloat16_is_for_processors_that_have_it(bfloat16, tmp_path):
    found = replace(job(tmp_path, Budget("updates", 100)), hardware=Hardware("CPU", bfloat16=bfloat16))
    assert found.options()["bf16"]  # what the system asks for
    assert ("--bf16" in found.train_arguments()) == bfloat16
    assert found.trains_on == f"CPU, 1 thread, {'bfloat16' if bfloat16 else 'float32'}"


def test_gpus_compute_in_bfloat16(tmp_path):
    found = replace(job(tmp_path, Budget("updates", 100)), hardware=Hardware("H100", 4, (0, 1)))
    assert found.trains_on == "2 x H100, bfloat16"


def test_a_systems_own_flags_win(tmp_path):
    own = {"save-interval-updates": 7, "max-tokens": 9, "lr": 0.5}
    assert own.items() <= job(tmp_path, Budget("updates", 100), **own).options().items()
