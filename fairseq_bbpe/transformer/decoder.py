"""fairseq's Transformer decoder with this project's layers; it computes attention weights only where asked."""

import torch
from fairseq.models.transformer import TransformerDecoderBase
from torch import nn

from fairseq_bbpe.modules.linear import Columns, Linear
from fairseq_bbpe.transformer.decoding_step import DecodingStep, has_steps
from fairseq_bbpe.transformer.layers import DecoderLayer, Dropout, uses_own_attention, wrapped


class TransformerBBPEDecoder(TransformerDecoderBase):
    """fairseq's Transformer decoder; the `attn` that it returns is None unless weights are asked for.

    They are asked for by `--print-alignment`, training on alignments (`--load-alignments`), or an `alignment_layer` or
    `alignment_heads` of `forward`. `left_pad_target` tells training on a GPU, which does not wait to look, where
    targets have padding.
    """

    def __init__(self, cfg, dictionary, embed_tokens, no_encoder_attn=False, output_projection=None):
        super().__init__(cfg, dictionary, embed_tokens, no_encoder_attn, output_projection)
        self.dropout_module = Dropout(cfg.dropout, module_name="TransformerDecoder")
        self.own_attention = uses_own_attention(cfg)
        self.needs_weights = False
        self.projection_columns: Columns | None = None
        self.left_pad_target = False

    def build_decoder_layer(self, cfg, no_encoder_attn=False):
        """One layer, wrapped as fairseq wraps its own."""
        return wrapped(DecoderLayer(cfg, no_encoder_attn), cfg)

    def build_output_projection(self, cfg, dictionary, embed_tokens):
        """fairseq's projection to the vocabulary, with the products of our `Linear`."""
        super().build_output_projection(cfg, dictionary, embed_tokens)
        theirs = self.output_projection
        if type(theirs) is nn.Linear:
            self.output_projection = Linear(theirs.in_features, theirs.out_features, bias=False, device="meta")
            self.output_projection.weight = theirs.weight

    def make_generation_fast_(self, need_attn: bool = False, **kwargs) -> None:
        """Note whether weights are wanted, and lay out the projection for few rows, before generation."""
        self.needs_weights = bool(need_attn)
        projection = self.output_projection
        if type(projection) is Linear and not (projection._forward_hooks or projection._forward_pre_hooks):
            self.projection_columns = Columns(projection.weight)

    def extract_features_scriptable(
        self,
        prev_output_tokens,
        encoder_out,
        incremental_state=None,
        full_context_alignment=False,
        alignment_layer=None,
        alignment_heads=None,
    ):
        """Features `(B, T, C)` of target prefixes `(B, T)`, those of the last position alone where there are caches."""
        asked = self.needs_weights or alignment_layer is not None or alignment_heads is not None
        weights_of = (self.num_layers - 1 if alignment_layer is None else alignment_layer) if asked else None
        source, source_mask = _source(encoder_out)
        padding_mask = self._padding_mask(prev_output_tokens, sees_all=full_context_alignment)
        if incremental_state is not None and padding_mask is not None and not self.own_attention:
            padding_mask = padding_mask[:, -1:]  # fairseq's attention keeps those of the steps before
        x = self._embed(prev_output_tokens, incremental_state)
        if not asked and padding_mask is None and self._has_step(incremental_state):
            return self._take_step(x.squeeze(1), incremental_state[self])
        # B x T x C -> T x B x C
        x = x.transpose(0, 1).contiguous()
        causal = incremental_state is None and not full_context_alignment
        attn, inner_states = None, [x]
        for index, layer in enumerate(self.layers):
            x, weights, _ = layer(
                x,
                source,
                source_mask,
                incremental_state,
                self_attn_mask=self.buffered_future_mask(x) if causal else None,
                self_attn_padding_mask=padding_mask,
                need_attn=index == weights_of,
                need_head_weights=index == weights_of,
            )
            inner_states.append(x)
            if index == weights_of and weights is not None:
                attn = weights[:alignment_heads].mean(dim=0)  # H x B x T x S -> B x T x S
        # T x B x C -> B x T x C
        x = self._finish(x).transpose(0, 1)
        return x, {"attn": [attn], "inner_states": inner_states}

    def _has_step(self, state: dict | None) -> bool:
        """Whether a `DecodingStep` goes on: the first step of a generation, by the layers, fills its caches."""
        if not state:
            return False
        if self not in state:
            state[self] = DecodingStep(self.layers, state) if all(map(has_steps, self.layers)) else None
        return state[self] is not None

    def _take_step(self, x, step: DecodingStep):
        states = step(x)
        return self._finish(states[-1]).unsqueeze(1), {"attn": [None], "inner_states": [s.unsqueeze(0) for s in states]}

    def _finish(self, x):
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return x if self.project_out_dim is None else self.project_out_dim(x)

    def reorder_incremental_state_scripting(self, incremental_state, new_order):
        """As fairseq's, without a walk over all modules."""
        step = incremental_state.get(self)
        if step is None:
            super().reorder_incremental_state_scripting(incremental_state, new_order)
        else:
            step.reorder(new_order)

    def output_layer(self, features):
        """Logits `(B, T, V)` of features `(B, T, C)`.

        As one matrix: torch takes the `(B, 1, C)` of a decoding step, which is a transposed `(1, B, C)`, for B products
        with a vector, and reads the whole projection for each.
        """
        if self.adaptive_softmax is not None:
            return features
        rows, logits = features.flatten(0, 1), None
        if self.projection_columns is not None and not torch.is_grad_enabled():
            logits = self.projection_columns.multiply(rows, self.output_projection.weight)
        if logits is None:
            logits = self.output_projection(rows)
        return logits.unflatten(0, features.shape[:2])

    def _embed(self, tokens, incremental_state):
        positions = None
        if self.embed_positions is not None:
            positions = self.embed_positions(tokens, incremental_state=incremental_state)
        if incremental_state is not None:
            tokens = tokens[:, -1:]
            positions = None if positions is None else positions[:, -1:]
        x = self.embed_scale * self.embed_tokens(tokens)
        if self.quant_noise is not None:
            x = self.quant_noise(x)
        if self.project_in_dim is not None:
            x = self.project_in_dim(x)
        if positions is not None:
            x = x + positions
        if self.layernorm_embedding is not None:
            x = self.layernorm_embedding(x)
        return self.dropout_module(x)

    def _padding_mask(self, tokens, sees_all=False):
        """`(B, T)`, or None where no padding lies before a token, unless a position sees what comes after it."""
        if self.cross_self_attention or sees_all:
            return tokens.eq(self.padding_idx)
        padded = self.left_pad_target
        if not self.training or tokens.device.type == "cpu":
            padded = bool(tokens[:, 0].eq(self.padding_idx).any())
        return tokens.eq(self.padding_idx) if padded else None


def _source(encoder_out):
    if encoder_out is None:
        return None, None
    return (next(iter(encoder_out[name]), None) for name in ("encoder_out", "encoder_padding_mask"))
