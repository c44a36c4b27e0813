"""The arithmetic of budgets, against fairseq-train's own clock and counters."""

import pytest

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import Budget


@pytest.mark.parametrize(
    ("budget", "flags"),
    [
        (Budget("updates", 2400), ["--max-update", "2400"]),
        (Budget("updates", 300_000), ["--max-update", "300000"]),
        (Budget("minutes", 1.5), ["--stop-time-hours", "0.025"]),
        (Budget("epochs", 3), ["--max-epoch", "3"]),
    ],
)
def test_what_fairseq_is_told(budget, flags):
    assert budget.flags == flags


@pytest.mark.parametrize("unit", ["updates", "minutes", "epochs"])
def test_a_budget_is_spent_when_it_is_reached_and_not_before(unit):
    reached = {"updates": 0, "minutes": 0, "epochs": 0, unit: 10}
    assert Budget(unit, 10).spent_by(reached)
    assert not Budget(unit, 10.5).spent_by(reached)


@pytest.mark.parametrize("unit", ["updates", "minutes", "epochs"])
def test_a_budget_is_exceeded_in_its_own_unit(unit):
    came = {"updates": 0, "minutes": 0, "epochs": 0, unit: 10}
    assert Budget(unit, 9.5).exceeded_by(came)
    assert not Budget(unit, 10).exceeded_by(came)


@pytest.mark.parametrize(
    "amounts",
    [
        {"updates": None, "minutes": None, "epochs": None},
        {"updates": 3, "minutes": 2.0, "epochs": None},
        {"updates": 0, "minutes": None, "epochs": None},
    ],
)
def test_one_amount_above_zero_is_given(amounts):
    with pytest.raises(UserError, match=r"^scales\.x: .*: give "):
        Budget.of("scales.x", **amounts)


def test_what_is_equal_is_said_in_words():
    said = {unit: Budget(unit, 1).equal for unit in ("updates", "minutes", "epochs")}
    assert "tokens and sentences differ" in said["updates"]
    assert "time" in said["minutes"]
    assert "the same sentences" in said["epochs"]
