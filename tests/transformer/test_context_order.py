"""Where the context goes: each order of `--embed-context-order` against its formula."""

import math
from argparse import Namespace

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY
from random_filters import with_random_filters

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE

ARCH = "transformer_bbpe_ctx_tiny"
WIDTH, PADDING = 16, 1


def build(**options) -> TransformerBBPE:
    """A model of a hundred symbols and width 16."""
    dictionary = Dictionary()
    for symbol in range(100):
        dictionary.add_symbol(str(symbol))
    sizes = {f"{side}_{name}": WIDTH for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")}
    args = Namespace(arch=ARCH, **sizes, **options)
    ARCH_CONFIG_REGISTRY[ARCH](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary, build_bpe=None)
    return TransformerBBPE.build_model(args, task)


def sinusoids(length: int, width: int) -> torch.Tensor:
    """`(T, C)`: the sines, then the cosines, of the positions that fairseq counts from after the padding's index."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1)))
    angles = torch.arange(PADDING + 1, PADDING + 1 + length)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def conv(encoder, x: torch.Tensor) -> torch.Tensor:
    """y_t = b + sum over k of w_k x_{t + k - 2}, by channel (`(B, T, C)`)."""
    (layer,) = encoder.contextualizer.layers
    padded = torch.nn.functional.pad(x, (0, 0, 2, 2))
    taps = [padded[:, k : k + x.size(1)] * layer.weight[:, 0, k] for k in range(5)]
    return sum(taps) + layer.bias


def gru(encoder, x: torch.Tensor) -> torch.Tensor:
    """torch's own, without padding; its formula is pinned by the contextualizer's tests."""
    with torch.random.fork_rng():  # its initial weights draw
        layer = torch.nn.GRU(WIDTH, WIDTH // 2, bidirectional=True, batch_first=True)
    layer.load_state_dict({name.split(".")[-1]: value for name, value in encoder.contextualizer.state_dict().items()})
    return layer(x)[0]


@pytest.mark.parametrize("context", ["none", "conv", "gru"])
@pytest.mark.parametrize("order", ["context-first", "positions-first"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@torch.no_grad()
def test_each_order_is_its_formula(context, order, training, monkeypatch):
    torch.manual_seed(0)
    dropout = 0.4 if training else 0.0
    model = with_random_filters(build(embed_context=context, embed_context_order=order, dropout=0.4))
    encoder = model.encoder.train(training)
    contextualize = {"none": lambda _, x: x, "conv": conv, "gru": gru}[context]
    tokens = torch.randint(4, 100, (3, 7))
    positions = sinusoids(7, WIDTH)
    scaled = math.sqrt(WIDTH) * encoder.embed_tokens.weight[tokens]

    def drop(x):  # torch's own draws in the order of memory, which is not part of the formula
        return x * (torch.rand(x.shape) >= dropout) / (1 - dropout)

    assert encoder.dropout_module.p == 0.4
    monkeypatch.setattr(type(encoder.dropout_module), "forward", lambda self, x: drop(x))
    torch.manual_seed(1)
    if context == "none":  # nothing stands between two dropouts, so there is one
        expected = drop(scaled + positions)
    elif order == "context-first":
        expected = drop(contextualize(encoder, scaled) + positions)
    else:
        expected = drop(contextualize(encoder, drop(scaled + positions)))
    torch.manual_seed(1)
    torch.testing.assert_close(encoder.forward_embedding(tokens)[0], expected, atol=1e-5, rtol=1e-5)


def test_an_option_that_a_checkpoint_lacks_is_the_order_it_was_trained_with():
    args = Namespace(arch=ARCH, embed_context="gru")  # what 0.1.0 saved
    dictionary = Dictionary()
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary, build_bpe=None)
    assert TransformerBBPE.build_model(args, task).encoder.cfg.embed_context_order == "context-first"


def test_an_unknown_order_is_refused():
    with pytest.raises(UserError, match="--embed-context-order last: give one of context-first, positions-first"):
        build(embed_context_order="last")
