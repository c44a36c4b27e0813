"""The embedding layers: what a sentence becomes depends on itself alone, and on as much context as the paper gives."""

import pytest
import torch
from random_filters import with_random_filters

from fairseq_bbpe.modules.contextualizer import BiGRU, DepthwiseConv

DIM = 8
CONV = with_random_filters(DepthwiseConv(DIM))
GRU = with_random_filters(BiGRU(DIM))
LAYERS = [CONV, DepthwiseConv(DIM, kernel_size=3, layers=2), GRU, with_random_filters(BiGRU(DIM, layers=2))]


def _identify(layer):
    return f"{type(layer).__name__}-{len(list(layer.parameters()))}"


def _no_padding(x):
    return torch.zeros(x.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("layer", LAYERS, ids=_identify)
@pytest.mark.parametrize("left", [True, False], ids=["left", "right"])
def test_a_sentence_is_the_same_in_any_batch(layer, left):
    torch.manual_seed(0)
    lengths = [1, 4, 9, 6]
    sentences = [torch.randn(1, length, DIM) for length in lengths]
    batch = torch.randn(len(lengths), 9, DIM)  # padding holds noise: nothing of it may get through
    padding = torch.ones(batch.shape[:2], dtype=torch.bool)
    spans = [slice(9 - length, 9) if left else slice(0, length) for length in lengths]
    for row, (sentence, span) in enumerate(zip(sentences, spans, strict=True)):
        batch[row, span], padding[row, span] = sentence[0], False
    together = layer(batch, padding)
    for row, (sentence, span) in enumerate(zip(sentences, spans, strict=True)):
        alone = layer(sentence, _no_padding(sentence))
        torch.testing.assert_close(together[row, span], alone[0], atol=1e-6, rtol=0)
    assert together[padding].abs().max() == 0


@pytest.mark.parametrize(("layer", "reach"), [(CONV, 2), (DepthwiseConv(DIM, 3, layers=2), 2), (GRU, 99)])
def test_a_position_sees_exactly_its_context(layer, reach):
    for parameter in layer.parameters():
        parameter.data.abs_()  # and inputs above zero: no ReLU between layers may hide what is seen
    x = torch.rand(1, 12, DIM, requires_grad=True)
    layer(x, _no_padding(x))[0, 5].sum().backward()
    seen = x.grad[0].abs().sum(dim=1).nonzero().flatten().tolist()
    assert seen == [column for column in range(12) if abs(column - 5) <= reach]


def test_a_depthwise_channel_sees_itself_alone():
    x = torch.randn(1, 7, DIM, requires_grad=True)
    CONV(x, _no_padding(x))[0, 3, 2].backward()
    assert x.grad[0].abs().sum(dim=0).nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("kernel", [0, 2, 4, -3])
def test_a_kernel_that_would_shift_the_sequence_is_refused(kernel):
    with pytest.raises(ValueError, match=f"kernel_size {kernel} is not odd"):
        DepthwiseConv(DIM, kernel)


def test_an_odd_width_is_refused_by_the_gru():
    with pytest.raises(ValueError, match="7 is odd"):
        BiGRU(7)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_gru_runs_under_autocast(layers):
    torch.manual_seed(0)
    layer, x = with_random_filters(BiGRU(DIM, layers)), torch.randn(3, 7, DIM)
    expected = layer(x, _no_padding(x))
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x, _no_padding(x))
    out.float().sum().backward()
    torch.testing.assert_close(out.float(), expected, atol=0.03, rtol=0)


def test_one_convolution_starts_as_no_context():
    x = torch.randn(2, 5, DIM)
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    assert torch.equal(DepthwiseConv(DIM)(x, mask), x.masked_fill(mask.unsqueeze(-1), 0))
    assert DepthwiseConv(DIM, 3, layers=2)(x, mask).sub(x)[0].abs().min() > 0


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gru_starts_close_to_each_positions_own_input(layers):
    """Forward in the first half of the channels, backward in the other; what is left of others' inputs is little."""
    torch.manual_seed(0)
    x = torch.randn(4, 12, 64, requires_grad=True)
    found = BiGRU(64, layers)(x, _no_padding(x))
    own = x
    for _ in range(layers):
        own = own.tanh()
    assert torch.corrcoef(torch.stack([own.flatten(), found.flatten()]))[0, 1] > 0.9
    found[:, 5, :].square().sum().backward()
    seen = x.grad.abs().sum(dim=(0, 2))
    assert seen[5] > 3 * seen[4] > 0
    assert seen[5] > 3 * seen[6] > 0
