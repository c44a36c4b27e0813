"""Adam in one kernel: the update and the state of fairseq's own loop."""

import copy

import pytest
import torch
from fairseq.optim.adam import Adam, FairseqAdam, FairseqAdamConfig
from fairseq.optim.fused_step_adam import FusedStepAdam


class OnTheCpu(FusedStepAdam):
    """The same kernel is there for the CPU, where a test can compare it."""

    fused_device = "cpu"


def problem(cls, steps, dtype=torch.float64, state=None, **options):
    """Weights and optimizer after `steps` updates; every second one leaves the last parameter without a gradient."""
    draw = torch.Generator().manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(shape, generator=draw, dtype=dtype)) for shape in ((4, 3), (5,), (2,))]
    optimizer = cls(weights, **options)
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state))  # loading shares tensors with the state
    for step in range(steps):
        for number, p in enumerate(weights):
            gradient = torch.randn(p.shape, generator=draw, dtype=dtype) * 10.0 ** (-4 * number)
            p.grad = None if number == 2 and step % 2 else gradient
        optimizer.step()
    return weights, optimizer


# An epsilon as large as the second moment's root: adding it before or after the bias correction is then not the same.
OPTIONS = [{"eps": 1e-4}, {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-9, "weight_decay": 0.1}, {"eps": 0.5}]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_fused_update_is_that_of_fairseqs_loop(options, monkeypatch):
    looped, _ = problem(Adam, 20, **options)
    with monkeypatch.context() as patch:
        patch.setattr(Adam, "step", None)  # what falls back to the loop fails here
        fused, optimizer = problem(OnTheCpu, 20, **options)
    for a, b in zip(fused, looped, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
    assert [entry["step"] for entry in optimizer.state_dict()["state"].values()] == [20, 20, 10]


def test_a_state_of_either_loads_into_the_other():
    options = {"lr": 0.01, "weight_decay": 0.1}
    for first, second in ((Adam, OnTheCpu), (OnTheCpu, Adam)):
        _, optimizer = problem(first, 5, **options)
        state = optimizer.state_dict()
        a, b = (problem(cls, 5, state=state, **options)[0] for cls in (first, second))
        for x, y in zip(a, b, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-13)


def test_what_no_kernel_takes_goes_through_fairseqs_loop(monkeypatch):
    calls = []
    monkeypatch.setattr(Adam, "step", lambda self, closure=None: calls.append(len(self.param_groups)))
    problem(OnTheCpu, 1, dtype=torch.bfloat16)  # --memory-efficient-bf16
    problem(OnTheCpu, 1, amsgrad=True)
    problem(FusedStepAdam, 1)  # no CUDA
    assert len(calls) == 3


@pytest.mark.parametrize(("old", "expected"), [(False, FusedStepAdam), (True, Adam)])
def test_fairseqs_adam_is_the_fused_one_unless_the_old_one_is_asked_for(old, expected):
    cfg = FairseqAdamConfig(adam_betas="(0.9, 0.98)", use_old_adam=old, lr=[0.1], tpu=False)
    assert type(FairseqAdam(cfg, [torch.nn.Parameter(torch.ones(1))]).optimizer) is expected
