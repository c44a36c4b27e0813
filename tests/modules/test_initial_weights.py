"""How weights start: by the fan-in of each convolution (He et al. 2015) or of each unit, and padding at zero."""

import math

import pytest
import torch

from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.modules.dropout import dropout
from fairseq_bbpe.modules.ngram_embedding import NgramEmbedding
from fairseq_bbpe.modules.residual_blocks import MultiplicativeBlock, ReLUBlock

D, KERNEL = 64, 5


def deviation(conv):
    assert not conv.taps.bias.any()
    weight = conv.taps.weight.detach()
    assert abs(float(weight.mean())) < 4 * float(weight.std()) / weight.numel() ** 0.5
    return float(weight.std())


@pytest.mark.parametrize("masked", [True, False])
def test_convolutions_after_a_relu_keep_the_variance(masked):
    torch.manual_seed(0)
    block = ReLUBlock(D, KERNEL, dilation=2, masked=masked)
    for conv, fan_in in ((block.reduce, 2 * D), (block.conv, KERNEL * D), (block.expand, D)):
        assert conv.taps.in_features == fan_in
        assert deviation(conv) == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)


@pytest.mark.parametrize("masked", [True, False])
def test_the_four_convolutions_of_a_unit_start_as_four(masked):
    """Glorot and Bengio (2010): 2 / (fan-in + fan-out), with the fan-out of one of them."""
    torch.manual_seed(0)
    block = MultiplicativeBlock(D, KERNEL, dilation=2, masked=masked)
    for unit, kernel in ((block.unit, KERNEL), (block.pointwise_unit, 1)):
        assert unit.gates.taps.weight.shape == (4 * D, kernel * D)
        assert deviation(unit.gates) == pytest.approx(math.sqrt(2 / (kernel * D + D)), rel=0.03)
    assert deviation(block.reduce) == pytest.approx(math.sqrt(2 / (2 * D)), rel=0.03)
    assert deviation(block.expand) == pytest.approx(math.sqrt(2 / D), rel=0.03)


def test_kernels_and_dilations_are_where_figure_3_has_them():
    for block in (ReLUBlock(4, 3, dilation=8), MultiplicativeBlock(4, 3, dilation=8)):
        dilated = block.conv if isinstance(block, ReLUBlock) else block.unit.gates
        assert (dilated.kernel, dilated.dilation) == (3, 8)
        others = [block.reduce, block.expand]
        if isinstance(block, MultiplicativeBlock):
            others.append(block.pointwise_unit.gates)
        assert {(conv.kernel, conv.dilation) for conv in others} == {(1, 1)}


def test_embeddings_of_padding_are_zero_and_stay_zero():
    torch.manual_seed(0)
    embedding = NgramEmbedding(500, 64, padding=1)
    assert float(embedding.symbols.weight.detach()[2:].std()) == pytest.approx(1, rel=0.05)
    embedding(torch.tensor([[1, 5, 1]])).sum().backward()
    assert not embedding.symbols.weight[1].any()
    assert not embedding.symbols.weight.grad[1].any()
    assert embedding.symbols.weight.grad[5].any()


@pytest.mark.parametrize("key_dim", [16, 24])
def test_a_seed_gives_attention_the_weights_that_it_gives_fairseqs(key_dim):
    fairseq_modules = pytest.importorskip("fairseq.modules")
    torch.manual_seed(5)
    ours = MultiheadAttention(16, 4, torch.nn.Dropout(0.1), key_dim=key_dim).state_dict()
    torch.manual_seed(5)
    options = {"self_attention": True} if key_dim == 16 else {"kdim": 24, "vdim": 24, "encoder_decoder_attention": True}
    theirs = fairseq_modules.MultiheadAttention(16, 4, **options).state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, msg=name)


@pytest.mark.parametrize("p", [-0.5, -0.01, 1.01])
def test_dropout_is_a_probability(p):
    with pytest.raises(ValueError, match="is not a probability"):
        dropout(torch.ones(3), p)
