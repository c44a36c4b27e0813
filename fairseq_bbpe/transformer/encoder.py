"""fairseq's Transformer encoder on contextualised embeddings, which keeps a source once for all rows of a beam."""

import torch
from fairseq.models.transformer import TransformerEncoderBase
from torch import Tensor

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.attention_cache import sentence_order
from fairseq_bbpe.modules.contextualizer import BiGRU, DepthwiseConv
from fairseq_bbpe.modules.mixture_of_contexts import MixtureOfContexts
from fairseq_bbpe.transformer.layers import Dropout, EncoderLayer, uses_own_attention, wrapped

CONTEXTS = ("none", "conv", "gru", "mixture")
# The paper leaves open where the positions join. The second is its authors' code (fairseq's examples/byte_level_bpe).
CONTEXT_ORDERS = ("context-first", "positions-first")


def build_contextualizer(cfg):
    """The layer that `--embed-context` names, or None; raises `UserError` where there is none of that name."""
    if cfg.embed_context_order not in CONTEXT_ORDERS:
        raise UserError(f"--embed-context-order {cfg.embed_context_order}: give one of {', '.join(CONTEXT_ORDERS)}")
    if cfg.embed_context == "none":
        return None
    layers, dim = cfg.embed_context_layers, cfg.encoder.embed_dim
    if layers < 1:
        raise UserError(f"--embed-context-layers {layers}: give 1 or more, or --embed-context none")
    if cfg.embed_context == "conv":
        kernel = cfg.embed_context_kernel
        if kernel < 1 or kernel % 2 == 0:
            raise UserError(f"--embed-context-kernel {kernel}: give an odd number, such as the paper's 5")
        return DepthwiseConv(dim, kernel, layers)
    if cfg.embed_context == "gru":
        if dim % 2:
            raise UserError(f"--encoder-embed-dim {dim}: --embed-context gru splits it in two; give an even number")
        return BiGRU(dim, layers)
    if cfg.embed_context == "mixture":
        _check_mixture(cfg)
        return None  # it is part of the first layer's attention
    raise UserError(f"--embed-context {cfg.embed_context}: give one of {', '.join(CONTEXTS)}")


def _check_mixture(cfg) -> None:
    if cfg.embed_context_layers != 1:
        raise UserError(
            f"--embed-context-layers {cfg.embed_context_layers}: --embed-context mixture is one layer; give 1"
        )
    if cfg.embed_context_order != "context-first":
        raise UserError(
            f"--embed-context-order {cfg.embed_context_order}: the contexts of --embed-context mixture belong to the "
            "first layer's heads, after the positions; leave it out"
        )
    if not uses_own_attention(cfg):
        raise UserError(
            "--embed-context mixture: it is part of this plugin's attention, which --quant-noise-pq, "
            "--encoder-xformers-att-config, --decoder-xformers-att-config and --cross-self-attention replace"
        )


class TransformerBBPEEncoder(TransformerEncoderBase):
    """fairseq's Transformer encoder on contextualised embeddings."""

    first_layer = True  # the next to be built

    def __init__(self, cfg, dictionary, embed_tokens, return_fc=False):
        super().__init__(cfg, dictionary, embed_tokens, return_fc)
        self.dropout_module = Dropout(cfg.dropout, module_name="TransformerEncoder")
        self.contextualizer = build_contextualizer(cfg)
        self.shares_source = uses_own_attention(cfg)

    def build_encoder_layer(self, cfg):
        """One layer, wrapped as fairseq wraps its own; the first has the mixture of contexts, if there is one."""
        mixes, self.first_layer = self.first_layer and cfg.embed_context == "mixture", False
        contexts = MixtureOfContexts(cfg.encoder.embed_dim // cfg.encoder.attention_heads) if mixes else None
        return wrapped(EncoderLayer(cfg, self.return_fc, contexts), cfg)

    def forward_embedding(self, src_tokens, token_embedding=None):
        """`(B, T)` ids -> `(B, T, C)` contextualised embeddings with positions, and without them.

        With E the embeddings times sqrt(C), as the Transformer scales its inputs, and P the positions:
        `context-first` is dropout(contextualize(E) + P), `positions-first` dropout(contextualize(dropout(E + P))).
        """
        if token_embedding is None:
            token_embedding = self.embed_tokens(src_tokens)
        embedded = x = self.embed_scale * token_embedding
        positions_first = self.cfg.embed_context_order == "positions-first"
        if self.contextualizer is not None and not positions_first:
            embedded = x = self.contextualizer(x, src_tokens.eq(self.padding_idx))
        if self.embed_positions is not None:
            x = x + self.embed_positions(src_tokens)
        if self.contextualizer is not None and positions_first:
            x = self.contextualizer(self.dropout_module(x), src_tokens.eq(self.padding_idx))
        if self.layernorm_embedding is not None:
            x = self.layernorm_embedding(x)
        x = self.dropout_module(x)
        if self.quant_noise is not None:
            x = self.quant_noise(x)
        return x, embedded

    def forward_scriptable(self, src_tokens, src_lengths=None, return_all_hiddens=False, token_embeddings=None):
        """As fairseq's, without its fused kernel: `(B, T)` ids -> a dictionary with `encoder_out` `(T, B, C)`."""
        padding_mask = src_tokens.eq(self.padding_idx)
        # Without a mask attention is faster. On a GPU an update does not wait for the answer.
        padded = (self.training and src_tokens.device.type != "cpu") or bool(padding_mask.any())
        x, embedded = self.forward_embedding(src_tokens, token_embeddings)
        if padded:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0)
        # B x T x C -> T x B x C
        x = x.transpose(0, 1).contiguous()
        states, fc_results = [x], []
        for layer in self.layers:
            x = layer(x, encoder_padding_mask=padding_mask if padded else None)
            if isinstance(x, tuple):
                x, fc_result = x
                fc_results.append(fc_result)
            states.append(x)
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return {
            "encoder_out": [x],  # T x B x C
            "encoder_padding_mask": [padding_mask] if padded else [],  # B x T
            "encoder_embedding": [embedded],  # B x T x C
            "encoder_states": states if return_all_hiddens else [],  # T x B x C each
            "fc_results": fc_results if return_all_hiddens else [],
            "src_tokens": [],
            "src_lengths": [src_tokens.ne(self.padding_idx).sum(dim=1, dtype=torch.int32).reshape(-1, 1)],
        }

    def reorder_encoder_out(self, encoder_out, new_order: Tensor):
        """As fairseq's, where a sentence stands once for all consecutive rows that share it.

        Attention to the source expects that: the rows of the decoder's query are a multiple of the sentences.
        """
        if not self.shares_source:
            return super().reorder_encoder_out(encoder_out, new_order)
        sentences = encoder_out["encoder_out"][0].size(1)
        rows = encoder_out.get("rows", sentences)
        repeats = new_order.numel() // sentences
        if rows == sentences and repeats > 1 and _repeats(new_order, sentences, repeats):
            return {**encoder_out, "rows": new_order.numel()}
        chosen = sentence_order(new_order, sentences, rows)
        if chosen is not None:
            encoder_out = super().reorder_encoder_out(encoder_out, chosen)
        return {**encoder_out, "rows": new_order.numel()}


def _repeats(order: Tensor, sentences: int, repeats: int) -> bool:
    return torch.equal(order, torch.arange(sentences, device=order.device).repeat_interleave(repeats))
