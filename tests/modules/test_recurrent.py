"""Recurrent networks of the Recurrent ByteNets: direction, padding, step by step (Section 4.1)."""

import pytest
import torch

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.recurrent import RecurrentStack


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_column_depends_on_what_its_direction_lets_it_see(bidirectional):
    stack = RecurrentStack(4, layers=2, bidirectional=bidirectional)
    x = torch.randn(1, 9, 8, requires_grad=True)
    y = stack(x, BatchParts())
    assert y.shape == x.shape
    y[0, 5].sum().backward()
    touched = x.grad[0].abs().sum(-1).nonzero().flatten().tolist()
    assert touched == list(range(9) if bidirectional else range(6))


@torch.no_grad()
def test_padding_never_reaches_a_real_column():
    stack = RecurrentStack(4, layers=2, bidirectional=True)
    x = torch.randn(2, 9, 8)
    real = torch.arange(9)[None] < torch.tensor([[5], [9]])
    padded = stack(torch.where(real[..., None], x, 50.0), BatchParts(real))
    torch.testing.assert_close(padded[0, :5], stack(x[:1, :5], BatchParts())[0])
    torch.testing.assert_close(padded[1], stack(x[1:], BatchParts())[0])


@torch.no_grad()
def test_step_by_step_equals_the_whole_after_random_reorderings():
    stack = RecurrentStack(4, layers=2)
    history, cache = torch.zeros(3, 0, 8), stack.new_cache()
    for columns in (1, 1, 4, 1, 1):
        new = torch.randn(history.size(0), columns, 8)
        history = torch.cat([history, new], dim=1)
        torch.testing.assert_close(stack(new, BatchParts(), cache), stack(history, BatchParts())[:, -columns:])
        order = torch.randint(0, history.size(0), (3,))
        history = history[order]
        cache.reorder(order)
    assert cache.step == history.size(1)
