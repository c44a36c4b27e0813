"""The whole Transformer equals the equations of Vaswani et al. (2017), in NumPy: weights alone are taken over.

Section 3.1 (post-norm residual layers), 3.2 (attention), 3.3 (feed-forward), 3.4 (embeddings times sqrt(d), shared with
the output), 3.5 (sinusoids, which fairseq counts from after the padding's index, sines and cosines in two halves).
"""

import math
from argparse import Namespace

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from test_mixture_of_contexts import mixture

import fairseq_bbpe.plugin  # noqa: F401

PADDING, END, SYMBOLS = 1, 2, 40
SIZES = {"embed_dim": 12, "ffn_embed_dim": 20, "layers": 2, "attention_heads": 3}


def build(arch="transformer_bbpe_ctx_tiny", **options):
    dictionary = Dictionary()
    for symbol in range(SYMBOLS - len(dictionary)):
        dictionary.add_symbol(str(symbol))
    sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in SIZES.items()}
    args = Namespace(arch=arch, share_all_embeddings=True, **{**sizes, **options})
    ARCH_CONFIG_REGISTRY[arch](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return ARCH_MODEL_REGISTRY[arch].build_model(args, task)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Reference:
    """One sentence pair at a time, so without padding; `w` holds the weights by their names in a state dict."""

    def __init__(self, model) -> None:
        self.w = {name: value.double().numpy() for name, value in model.state_dict().items()}

    def linear(self, name, x):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, name, x):
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attention(self, name, x, memory, causal=False):
        """Eq. 1: softmax(Q K^T / sqrt(d_k)) V, for each head on its own third of the channels."""
        projected = [self.linear(f"{name}.{p}_proj", y) for p, y in (("q", x), ("k", memory), ("v", memory))]
        heads = []
        for head in np.split(np.arange(x.shape[1]), SIZES["attention_heads"]):
            q, k, v = (part[:, head] for part in projected)
            if f"{name}.contexts.router.weight" in self.w:
                q, k, v = (mixture(self.w, f"{name}.contexts.", part) for part in (q, k, v))
            scores = q @ k.T / math.sqrt(len(head))
            if causal:
                scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
            heads.append(softmax(scores) @ v)
        return self.linear(f"{name}.out_proj", np.concatenate(heads, axis=1))

    def feed_forward(self, name, x):
        """Eq. 2: max(0, x W1 + b1) W2 + b2."""
        return self.linear(f"{name}.fc2", np.maximum(self.linear(f"{name}.fc1", x), 0))

    def scaled(self, ids):
        return self.w["encoder.embed_tokens.weight"][ids] * math.sqrt(SIZES["embed_dim"])

    def positions(self, length):
        half = SIZES["embed_dim"] // 2
        frequency = 10000 ** (-np.arange(half) / (half - 1))
        angle = (PADDING + 1 + np.arange(length))[:, None] * frequency
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    def convolved(self, x):
        kernel, bias = (self.w[f"encoder.contextualizer.layers.0.{part}"] for part in ("weight", "bias"))
        padded = np.pad(x, ((2, 2), (0, 0)))
        return bias + sum(kernel[:, 0, k] * padded[k : k + len(x)] for k in range(5))

    def encode(self, ids, context):
        x = self.scaled(ids)
        x = (self.convolved(x) if context == "conv" else x) + self.positions(len(ids))
        for layer in range(SIZES["layers"]):
            name = f"encoder.layers.{layer}"
            x = self.norm(f"{name}.self_attn_layer_norm", x + self.attention(f"{name}.self_attn", x, x))
            x = self.norm(f"{name}.final_layer_norm", x + self.feed_forward(name, x))
        return x

    def logits(self, source, previous, context):
        memory, x = self.encode(source, context), self.scaled(previous) + self.positions(len(previous))
        for layer in range(SIZES["layers"]):
            name = f"decoder.layers.{layer}"
            x = self.norm(f"{name}.self_attn_layer_norm", x + self.attention(f"{name}.self_attn", x, x, causal=True))
            x = self.norm(f"{name}.encoder_attn_layer_norm", x + self.attention(f"{name}.encoder_attn", x, memory))
            x = self.norm(f"{name}.final_layer_norm", x + self.feed_forward(name, x))
        return x @ self.w["decoder.output_projection.weight"].T


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("context", ["none", "conv", "mixture"])
@pytest.mark.parametrize("left", [True, False], ids=["padded left", "padded right"])
def test_the_whole_model_is_the_papers_equations(train, context, left):
    torch.manual_seed(4)
    model = build(embed_context=context, dropout=0.0).double().train(train)
    for parameter in model.parameters():
        parameter.data.copy_(torch.randn(parameter.shape) * 0.3)
    sources = [torch.randint(4, SYMBOLS, (length,)) for length in (6, 1, 9)]
    targets = [torch.cat([torch.tensor([END]), torch.randint(4, SYMBOLS, (length,))]) for length in (7, 4, 0)]
    source = torch.full((3, 9), PADDING)
    target = torch.full((3, 8), PADDING)
    for row, (s, t) in enumerate(zip(sources, targets, strict=True)):
        source[row, slice(9 - len(s), 9) if left else slice(len(s))] = s
        target[row, : len(t)] = t
    with torch.no_grad():
        found = model(source, source.ne(PADDING).sum(1), target)[0].numpy()
    reference = Reference(model)
    for row, (s, t) in enumerate(zip(sources, targets, strict=True)):
        expected = reference.logits(s.numpy(), t.numpy(), context)
        np.testing.assert_allclose(found[row, : len(t)], expected, atol=1e-6)


def test_each_dropout_has_the_rate_that_is_configured_for_its_place():
    """Residual dropout after embeddings and sublayers, attention dropout on weights, ReLU dropout inside Eq. 2."""
    model = build(dropout=0.11, attention_dropout=0.12, activation_dropout=0.13)
    rates = {name: module.p for name, module in model.named_modules() if hasattr(module, "p")}
    expected = {}
    for side in ("encoder", "decoder"):
        expected[f"{side}.dropout_module"] = 0.11
        for layer in range(SIZES["layers"]):
            name = f"{side}.layers.{layer}"
            expected |= {f"{name}.dropout_module": 0.11, f"{name}.activation_dropout_module": 0.13}
            expected[f"{name}.self_attn.dropout_module"] = 0.12
            if side == "decoder":
                expected[f"{name}.encoder_attn.dropout_module"] = 0.12
    assert rates == expected


@pytest.mark.parametrize("which", ["dropout", "attention_dropout", "activation_dropout"])
def test_every_dropout_is_drawn_in_training_and_only_there(which):
    torch.manual_seed(1)
    model = build(**{"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, which: 0.5})
    tokens = torch.randint(4, SYMBOLS, (2, 9))

    def output():
        return model(tokens, torch.tensor([9, 9]), tokens)[0]

    assert not torch.equal(output(), output())
    model.eval()
    assert torch.equal(output(), output())
