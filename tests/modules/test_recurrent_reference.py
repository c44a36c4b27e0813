"""Recurrent networks equal the LSTM's equations in NumPy (Hochreiter and Schmidhuber 1997, with forget gates)."""

import numpy as np
import pytest
import torch

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.recurrent import RecurrentStack

D, LENGTHS = 3, (5, 1, 7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(weights, suffix, x):
    """c = f c + i tanh(g), h = o tanh(c), from states of zero."""
    w, u, b, c0 = (weights[f"lstm.{kind}_{suffix}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = np.zeros(u.shape[1])
    states = []
    for column in x:
        i, f, g, o = np.split(w @ column + b + u @ h + c0, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_stack_is_the_equations_of_its_layers(layers, bidirectional):
    """2d wide either way: a source network has d channels for each direction, and reads no padding."""
    torch.manual_seed(layers)
    stack = RecurrentStack(D, layers, bidirectional).double()
    weights = {name: value.numpy() for name, value in stack.state_dict().items()}
    x = torch.randn(len(LENGTHS), max(LENGTHS), 2 * D, dtype=torch.double)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    with torch.no_grad():
        found = stack(x, BatchParts(mask)).numpy()
    assert found.shape == (len(LENGTHS), max(LENGTHS), 2 * D)
    for row, length in enumerate(LENGTHS):
        y = x[row, :length].numpy()
        for layer in range(layers):
            forward = lstm(weights, f"l{layer}", y)
            if bidirectional:
                backward = lstm(weights, f"l{layer}_reverse", y[::-1])[::-1]
                forward = np.concatenate([forward, backward], axis=1)
            y = forward
        np.testing.assert_allclose(found[row, :length], y, atol=1e-9)


def test_without_a_mask_every_column_is_read():
    stack = RecurrentStack(D, 1, bidirectional=True)
    x = torch.randn(2, 4, 2 * D)
    torch.testing.assert_close(stack(x, BatchParts()), stack(x, BatchParts(torch.ones(2, 4, dtype=torch.bool))))


@torch.no_grad()
def test_a_cache_counts_its_columns():
    stack = RecurrentStack(D, 1)
    cache = stack.new_cache()
    assert (cache.step, cache.state) == (0, None)
    cache.reorder(torch.tensor([0]))  # before the first step there is nothing to reorder
    for length, steps in ((3, 3), (1, 4)):
        stack(torch.randn(2, length, 2 * D), BatchParts(), cache)
        assert cache.step == steps
