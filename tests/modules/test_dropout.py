"""Dropout by 16-bit draws: its rate, its scale, its gradient, its seed."""

import pytest
import torch

from fairseq_bbpe.modules.dropout import dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rate_and_scale(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(1003, 999, dtype=dtype)
    y = dropout(x, p)
    dropped = y.eq(0).double().mean().item()
    assert abs(dropped - p) < 4 * (p * (1 - p) / x.numel()) ** 0.5  # four standard deviations
    torch.testing.assert_close(y[y.ne(0)].float().unique(), torch.tensor([1 / (1 - p)]), atol=1e-2, rtol=0)
    # Neither rows nor columns, which share words of random bits, fall together.
    assert (y.eq(0).double().mean(0) - p).abs().max() < 6 * (p * (1 - p) / 1003) ** 0.5
    assert (y.eq(0).double().mean(1) - p).abs().max() < 6 * (p * (1 - p) / 999) ** 0.5


def test_the_gradient_passes_where_the_value_does():
    x = torch.randn(33, 7, requires_grad=True)
    y = dropout(x, 0.4)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())
    assert 0 < x.grad.eq(0).sum() < x.numel()


def test_a_seed_repeats_it_and_the_next_draw_differs():
    x = torch.ones(100)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5), first)
    assert not torch.equal(first, second)


def test_the_ends():
    x = torch.randn(5)
    assert torch.equal(dropout(x, 0.0), x)
    assert dropout(x, 1.0).eq(0).all()
    with pytest.raises(ValueError, match=r"dropout 1\.5"):
        dropout(x, 1.5)
