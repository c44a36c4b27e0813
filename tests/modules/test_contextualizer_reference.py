"""The contextualizers equal their equations in NumPy (BBPE paper, "Encoding Byte-Level Representation").

x_ctx = DepthWiseConv(x) and x_ctx = BiGRU(x), the GRU as Cho et al. (2014) define it, in torch's arrangement.
"""

import numpy as np
import pytest
import torch
from random_filters import with_random_filters

from fairseq_bbpe.modules.contextualizer import BiGRU, DepthwiseConv

DIM, LENGTHS = 6, (7, 1, 4)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights(layer, name):
    return layer.state_dict()[name].double().numpy()


def depthwise(layer, number, x):
    """y_t[c] = b[c] + sum over k of w[c, k] x_{t + k - K // 2}[c], and what lies beyond the sentence is zero."""
    kernel, bias = weights(layer, f"layers.{number}.weight")[:, 0], weights(layer, f"layers.{number}.bias")
    side = kernel.shape[1] // 2
    y = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for k in range(kernel.shape[1]):
            if 0 <= t + k - side < len(x):
                y[t] += kernel[:, k] * x[t + k - side]
    return y


def gru(layer, suffix, x):
    """r, z = sigmoid(W x + U h), n = tanh(W x + r U h), h = (1 - z) n + z h; from a state of zero."""
    w, u = weights(layer, f"gru.weight_ih_{suffix}"), weights(layer, f"gru.weight_hh_{suffix}")
    b, c = weights(layer, f"gru.bias_ih_{suffix}"), weights(layer, f"gru.bias_hh_{suffix}")
    h, states = np.zeros(DIM // 2), []
    for column in x:
        (wr, wz, wn), (ur, uz, un) = np.split(w @ column + b, 3), np.split(u @ h + c, 3)
        r, z = sigmoid(wr + ur), sigmoid(wz + uz)
        h = (1 - z) * np.tanh(wn + r * un) + z * h
        states.append(h)
    return np.array(states)


def expected(layer, x, depth):
    for number in range(depth):
        if isinstance(layer, DepthwiseConv):
            x = depthwise(layer, number, x if number == 0 else np.maximum(x, 0))
        else:
            backward = gru(layer, f"l{number}_reverse", x[::-1])[::-1]
            x = np.concatenate([gru(layer, f"l{number}", x), backward], axis=1)
    return x


@pytest.mark.parametrize("left", [False, True], ids=["padded right", "padded left"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("build", [DepthwiseConv, BiGRU])
def test_a_contextualizer_is_its_equation(build, depth, left):
    torch.manual_seed(depth)
    layer = with_random_filters(build(DIM, layers=depth)).double()
    x = torch.randn(len(LENGTHS), max(LENGTHS) + 1, DIM, dtype=torch.double)
    padding = torch.ones(x.shape[:2], dtype=torch.bool)
    spans = [slice(x.size(1) - length, None) if left else slice(length) for length in LENGTHS]
    for row, span in enumerate(spans):
        padding[row, span] = False
    found = layer(x, padding).detach().numpy()
    for row, span in enumerate(spans):
        np.testing.assert_allclose(found[row, span], expected(layer, x[row, span].numpy(), depth), atol=1e-9)
    assert (found[padding.numpy()] == 0).all()


def test_the_papers_kernel_is_the_default_and_each_direction_has_half_the_channels():
    """ "We use a kernel size of 5 and a padding of 2 on both sides"; one layer of either."""
    (conv,) = DepthwiseConv(DIM).layers
    assert conv.weight.shape == (DIM, 1, 5)
    assert conv.padding == (2,)
    gru = BiGRU(DIM).gru
    assert (gru.num_layers, gru.hidden_size, gru.bidirectional) == (1, DIM // 2, True)


@pytest.mark.parametrize("build", [DepthwiseConv, BiGRU])
def test_a_sentence_without_a_symbol_is_no_error(build):
    layer = with_random_filters(build(DIM))
    x, padding = torch.randn(2, 4, DIM), torch.tensor([[True] * 4, [False] * 4])
    found = layer(x, padding)
    assert found.isfinite().all()
    torch.testing.assert_close(found[1:], layer(x[1:], padding[1:]))
