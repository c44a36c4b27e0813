"""One position more through a decoder's layers in generation, without calling their modules.

A step of a few rows takes PyTorch longer to call modules and to look up what they hold than to compute. So a generation
makes its steps once, over the weights and caches of each layer; they compute what the layers compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.modules.attention_cache import SelfCache, SourceCache, sentence_order
from fairseq_bbpe.modules.linear import Linear, linear
from fairseq_bbpe.transformer.layers import DecoderLayer

Step = Callable[[Tensor], Tensor]
"""Of rows ``(R, C)``."""


class DecodingStep:
    """The layers of a decoder for the rest of a generation, whose first step has filled the caches of their attention.

    Args:
        layers: that `has_steps` holds of
        state: fairseq's incremental state, with the caches
    """

    def __init__(self, layers: Sequence[Any], state: dict[Any, Any]):
        self.selves: list[SelfCache] = [state[layer.self_attn] for layer in layers]
        self.sources: list[SourceCache] = [state[layer.encoder_attn] for layer in layers]
        self.steps = [_layer(*each) for each in zip(layers, self.selves, self.sources, strict=True)]

    def __call__(self, x: Tensor) -> list[Tensor]:
        """`x` ``(R, C)`` and what each layer makes of it."""
        states = [x]
        for step in self.steps:
            states.append(step(states[-1]))
        return states

    def reorder(self, order: Tensor) -> None:
        """Let row i be what was row ``order[i]``."""
        rows = self.selves[0].buffer.size(1)
        if order.numel() == rows and torch.equal(order, torch.arange(rows, device=order.device)):
            return
        for cache in self.selves:
            cache.reorder(order)
        sentences = sentence_order(order, self.sources[0].keys.size(0), self.sources[0].rows)
        if sentences is not None:
            for source in self.sources:
                source.choose(sentences)


def has_steps(layer: Any) -> bool:
    """Whether a layer computes what `DecodingStep` does and no more: it is ours as it is, and nothing watches it."""
    return (
        type(layer) is DecoderLayer
        and not layer.training
        and type(layer.self_attn) is type(layer.encoder_attn) is MultiheadAttention
        and all(part is None for part in (layer.attn_ln, layer.c_attn, layer.ffn_layernorm, layer.w_resid))
        and not any(
            part._forward_hooks or part._forward_pre_hooks or getattr(part, "apply_during_inference", False)
            for part in layer.modules()
        )
    )


def _layer(layer: Any, own: SelfCache, source: SourceCache) -> Step:
    """Figure 1 of "Attention Is All You Need", to the right: three sublayers, each with its residual and its norm."""
    sublayers = [
        (_attend_to_target(layer.self_attn, own), _normalise(layer.self_attn_layer_norm)),
        (_attend_to_source(layer.encoder_attn, source), _normalise(layer.encoder_attn_layer_norm)),
        (_feed_forward(layer), _normalise(layer.final_layer_norm)),
    ]

    def normalise_first(x: Tensor) -> Tensor:
        for sublayer, normalise in sublayers:
            x = x + sublayer(normalise(x))
        return x

    def normalise_last(x: Tensor) -> Tensor:
        for sublayer, normalise in sublayers:
            x = normalise(x + sublayer(x))
        return x

    return normalise_first if layer.normalize_before else normalise_last


def _attend_to_target(attention: MultiheadAttention, cache: SelfCache) -> Step:
    project = _multiply(attention.out_proj)

    def attend(x: Tensor) -> Tensor:
        packed = linear(x, *cache.packed).view(len(x), 3, attention.num_heads, attention.head_dim)
        keys, values = cache.append(packed[:, 1:])
        # R x H x 1 x D
        out = F.scaled_dot_product_attention(packed[:, 0].unsqueeze(2), keys, values)
        return project(out.reshape(x.shape))

    return attend


def _attend_to_source(attention: MultiheadAttention, cache: SourceCache) -> Step:
    ask, project = _multiply(attention.q_proj), _multiply(attention.out_proj)

    def attend(x: Tensor) -> Tensor:
        cache.rows = len(x)
        # The rows of a sentence are queries of one sequence: B x H x (R / B) x D
        queries = ask(x).view(len(cache.keys), -1, attention.num_heads, attention.head_dim).transpose(1, 2)
        out = F.scaled_dot_product_attention(queries, cache.keys, cache.values, attn_mask=cache.bias)
        return project(out.transpose(1, 2).reshape(x.shape))

    return attend


def _feed_forward(layer: Any) -> Step:
    inner, activate, outer = _multiply(layer.fc1), layer.activation_fn, _multiply(layer.fc2)
    return lambda x: outer(activate(inner(x)))


def _multiply(layer: nn.Module) -> Step:
    if type(layer) is not Linear:  # quantised, or with adapters
        return layer
    weight, bias = layer.weight, layer.bias
    return lambda x: linear(x, weight, bias)


def _normalise(norm: nn.Module) -> Step:
    if type(norm) is not nn.LayerNorm:  # apex's
        return norm
    shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
