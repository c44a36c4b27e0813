"""Multi-head attention ("Attention Is All You Need", section 3.2) by torch's fused kernels, with caches for decoding.

Parameters have the names that fairseq's module gives them, so checkpoints fit both.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_bbpe.modules.attention_cache import SelfCache, SourceCache, hide
from fairseq_bbpe.modules.dropout import dropout
from fairseq_bbpe.modules.linear import Linear


class MultiheadAttention(nn.Module):
    """softmax(Q K^T / sqrt(d_k)) V in `num_heads` subspaces, concatenated and projected.

    Args:
        key_dim: width of what is attended to; `embed_dim` unless given
        drop: a dropout module whose `p` is the rate for the attention weights
        causal: a query attends to its own and earlier positions only, where a mask is given at all

    Attributes:
        contexts: None, or what each head's queries, keys and values ``(B, H, T, D)``, with their padding mask, become
            before they meet, such as a `MixtureOfContexts`; for attention within a whole sequence, not step by step

    Raises `ValueError` if the heads do not share the width evenly.
    """

    def __init__(self, embed_dim: int, num_heads: int, drop: nn.Module, key_dim: int = 0, causal: bool = False):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads cannot share a width of {embed_dim} evenly")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.causal = causal
        self.dropout_module = drop
        key_dim = key_dim or embed_dim
        # In this order, so that a seed gives the weights that it gives fairseq's module.
        self.k_proj = Linear(key_dim, embed_dim)
        self.v_proj = Linear(key_dim, embed_dim)
        self.q_proj = Linear(embed_dim, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)
        gain = 1 / math.sqrt(2) if key_dim == embed_dim else 1
        for projection in (self.k_proj, self.v_proj, self.q_proj):
            nn.init.xavier_uniform_(projection.weight, gain=gain)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)
        self.contexts: nn.Module | None = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        incremental_state: dict | None = None,
        need_weights: bool = False,
        static_kv: bool = False,
        attn_mask: Tensor | None = None,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from the query to the key, whose values are the keys' own positions'.

        Shape:
            - query: ``(T, R, C)``, key: ``(S, B, C)`` where R is B, or for a source (`static_kv`) a multiple of B:
              consecutive rows of the query then share a sentence
            - key_padding_mask: ``(B, S)``, True at padding; attn_mask: ``(T, S)``, added to the scores
            - output: ``(T, R, C)``, and the weights ``(R, T, S)``, ``(H, R, T, S)`` by head, or None
        """
        cache: Any = None if incremental_state is None else incremental_state.get(self)
        step = incremental_state is not None
        if static_kv:
            queries = self._split(self.q_proj(query))
            if cache is None:
                keys, values = self._project(key, self.k_proj, self.v_proj)
                cache = SourceCache(keys, values, key_padding_mask)
            # A sentence's rows become queries of one sequence: R x H x T x D -> B x H x (R / B) T x D
            cache.rows = query.size(1)
            grouped = queries.unflatten(0, (cache.keys.size(0), -1)).transpose(1, 2).flatten(2, 3)
            out, weights = self._attend(grouped, cache.keys, cache.values, None, cache.bias, need_weights)
            out = _ungroup(out, query.size(0))
            weights = None if weights is None else _ungroup(weights, query.size(0))
        else:
            if step and cache is None:
                cache = SelfCache(*self._packed())
            if step:
                # 1 x R x C -> R x 3 x H x D
                packed = F.linear(query[0], *cache.packed).unflatten(-1, (3, self.num_heads, -1))
                queries = packed[:, 0].unsqueeze(2)
                keys, values = cache.append(packed[:, 1:])
            else:
                projected = self._project(query, self.q_proj, self.k_proj, self.v_proj)
                if self.contexts is not None:
                    projected = [self.contexts(part, key_padding_mask) for part in projected]
                queries, keys, values = projected
            mask = None if step else attn_mask
            out, weights = self._attend(queries, keys, values, key_padding_mask, mask, need_weights)
        if incremental_state is not None:
            incremental_state[self] = cache
        # R x H x T x D -> T x R x C
        out = self.out_proj(out.permute(2, 0, 1, 3).flatten(2))
        if weights is not None:
            weights = weights.transpose(0, 1) if need_head_weights else weights.mean(1)
        return out, weights

    def reorder_incremental_state(self, incremental_state: dict, order: Tensor) -> None:
        """Let the cache's row i be what was row ``order[i]``."""
        if self in incremental_state:
            incremental_state[self].reorder(order)

    def _get_input_buffer(self, incremental_state) -> dict:
        """What fairseq's decoder layer asks for; our caches are not kept under its names."""
        return {}

    def _split(self, x: Tensor) -> Tensor:
        # T x R x C -> R x H x T x D
        return x.unflatten(-1, (self.num_heads, self.head_dim)).permute(1, 2, 0, 3)

    def _packed(self, *projections: Linear) -> tuple[Tensor, Tensor]:
        projections = projections or (self.q_proj, self.k_proj, self.v_proj)
        return torch.cat([p.weight for p in projections]), torch.cat([p.bias for p in projections])

    def _project(self, x: Tensor, *projections: Linear) -> list[Tensor]:
        if x.device.type == "cpu":
            # One product would save nothing at a CPU's sizes, and its thirds would have to be copied apart.
            return [self._split(projection(x)) for projection in projections]
        packed = F.linear(x, *self._packed(*projections))
        return [self._split(part) for part in packed.chunk(len(projections), -1)]

    def _attend(self, queries, keys, values, padding_mask, attn_mask, need_weights):
        rate = self.dropout_module.p if self._drops() else 0.0
        # On a CPU, torch's own dropout takes longer than the rest of the attention, and the gradient of its kernel in
        # half precision three times as long as that of the products written out.
        slow = rate > 0 or (queries.dtype != torch.float32 and queries.requires_grad)
        openly = need_weights or (queries.device.type == "cpu" and slow)
        if self.causal and attn_mask is not None and padding_mask is None and not openly:
            # Told that the mask is the causal one, the kernels skip what it hides.
            return F.scaled_dot_product_attention(queries, keys, values, dropout_p=rate, is_causal=True), None
        bias = None if attn_mask is None else attn_mask.to(queries.dtype)
        if padding_mask is not None:
            hidden = hide(padding_mask, queries.dtype)
            bias = hidden if bias is None else hidden + bias
        if openly:
            return self._attend_openly(queries, keys, values, bias, rate)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, dropout_p=rate), None

    def _attend_openly(self, queries, keys, values, bias, rate):
        """Equation 1 written out: where the weights are wanted, or dropped on a CPU."""
        scores = (queries * self.head_dim**-0.5) @ keys.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias
        weights = scores.softmax(-1)
        return (dropout(weights, rate) if rate else weights) @ values, weights

    def _drops(self) -> bool:
        return self.dropout_module.training or getattr(self.dropout_module, "apply_during_inference", False)


def _ungroup(x: Tensor, length: int) -> Tensor:
    # B x H x (R / B) T x D -> R x H x T x D
    return x.unflatten(2, (-1, length)).transpose(1, 2).flatten(0, 1)
