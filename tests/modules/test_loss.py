"""The loss in blocks against its formula, written out over whole logits in float64."""

import pytest
import torch

from fairseq_bbpe.modules import loss as module
from fairseq_bbpe.modules.loss import smoothed_cross_entropy


def written_out(features, weight, target, epsilon):
    p = torch.softmax(features @ weight.T, -1)
    uniform = epsilon / (len(weight) - 1)
    rows = torch.arange(len(target))
    nll = -p[rows, target].log()
    # The target has 1 - epsilon of the probability, every other symbol its share of epsilon.
    wanted = torch.full_like(p, uniform)
    wanted[rows, target] = 1 - epsilon
    return -(wanted * p.log()).sum(), nll.sum(), (p.argmax(1) == target).sum()


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 8, 21])
@pytest.mark.parametrize("masked", [True, False])
def test_value_gradient_and_hits(epsilon, rows, masked, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 8)
    torch.manual_seed(rows)
    features, weight = torch.randn(rows, 6), torch.randn(11, 6)
    target = torch.randint(11, (rows,))
    target[::3] = (features @ weight.T).argmax(1)[::3]  # some hits
    kept = torch.rand(rows) < 0.7 if masked else None
    chosen = slice(None) if kept is None else kept
    ours = [x.clone().requires_grad_() for x in (features, weight)]
    exact = [x.double().requires_grad_() for x in (features, weight)]
    got = smoothed_cross_entropy(*ours, target, epsilon, kept=kept, count_correct=True)
    expected = written_out(exact[0][chosen], exact[1], target[chosen], epsilon)
    (3 * got[0]).backward()
    (3 * expected[0]).backward()
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=1e-5, atol=1e-5)
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=1e-4, atol=1e-5)


def test_without_gradient_it_is_the_same_and_keeps_nothing():
    features, weight, target = torch.randn(5, 4), torch.randn(7, 4), torch.randint(7, (5,))
    loss, nll, correct = smoothed_cross_entropy(features, weight, target, 0.1)
    assert loss.grad_fn is None
    assert correct is None
    torch.testing.assert_close(loss, written_out(features, weight, target, 0.1)[0])
    torch.testing.assert_close(nll, torch.nn.functional.cross_entropy(features @ weight.T, target, reduction="sum"))
