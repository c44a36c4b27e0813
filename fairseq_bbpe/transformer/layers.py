"""fairseq's Transformer layers with attention, products and dropout from `modules`; parameters keep fairseq's names."""

from fairseq.distributed import fsdp_wrap
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from fairseq.modules.fairseq_dropout import FairseqDropout
from fairseq.modules.quant_noise import quant_noise
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase, TransformerEncoderLayerBase
from torch import Tensor, nn

from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.modules.dropout import dropout
from fairseq_bbpe.modules.linear import Linear


class Dropout(FairseqDropout):
    """fairseq's dropout, with `--retain-dropout`, by faster draws on a CPU."""

    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        """`x` with elements dropped, in training or where they are dropped in inference too."""
        return dropout(x, self.p) if self.p > 0 and (self.training or self.apply_during_inference) else x


def wrapped(layer: nn.Module, cfg) -> nn.Module:
    """The layer as fairseq wraps its own for `--checkpoint-activations` and sharded training."""
    if cfg.checkpoint_activations:
        layer = checkpoint_wrapper(layer, offload_to_cpu=cfg.offload_activations)
    return fsdp_wrap(layer, min_num_params=0 if cfg.checkpoint_activations else cfg.min_params_to_wrap)


def _attention(cfg, width: int, heads: int, **settings) -> MultiheadAttention:
    drop = FairseqDropout(cfg.attention_dropout, module_name="MultiheadAttention")
    return MultiheadAttention(width, heads, drop, **settings)


def uses_own_attention(cfg) -> bool:
    """Whether our attention serves: quantization noise, xFormers and cross-self-attention are fairseq's own alone."""
    only_fairseq = cfg.quant_noise.pq, cfg.encoder.xformers_att_config, cfg.decoder.xformers_att_config
    return not any(only_fairseq) and not cfg.cross_self_attention


class _OwnParts(nn.Module):
    """The parts of an encoder's or a decoder's layer that both build alike."""

    def build_fc1(self, input_dim, output_dim, q_noise, qn_block_size):
        """The first product of the feed-forward network."""
        return quant_noise(Linear(input_dim, output_dim), q_noise, qn_block_size)

    def build_fc2(self, input_dim, output_dim, q_noise, qn_block_size):
        """The second product of the feed-forward network."""
        return quant_noise(Linear(input_dim, output_dim), q_noise, qn_block_size)

    def _use_own_dropout(self) -> None:
        for name in ("dropout_module", "activation_dropout_module"):
            # `--retain-dropout-modules` knows a layer by the name of fairseq's class.
            setattr(self, name, Dropout(getattr(self, name).p, module_name=type(self).__bases__[-1].__name__))


class EncoderLayer(_OwnParts, TransformerEncoderLayerBase):
    """fairseq's encoder layer without the second copy of its weights that fairseq 0.12.2 keeps for a fused kernel.

    The copies train as zeros: at T_base they make 19M parameters out of nothing, in every checkpoint and optimizer
    state, and leave several processes waiting for gradients that never come.
    """

    FUSED = ("in_proj", "out_proj", "fc1", "fc2")

    def __init__(self, cfg, return_fc=False, contexts: nn.Module | None = None):
        super().__init__(cfg, return_fc)
        if contexts is not None:
            self.get_submodule("self_attn").contexts = contexts
        for name in self.FUSED:
            delattr(self, f"{name}_weight")
            delattr(self, f"{name}_bias")
        self.can_use_fastpath = False
        self._use_own_dropout()

    def build_self_attention(self, embed_dim, cfg):
        """Attention among the source's positions."""
        if not uses_own_attention(cfg):
            return super().build_self_attention(embed_dim, cfg)
        return _attention(cfg, embed_dim, cfg.encoder.attention_heads)

    def _load_from_state_dict(self, *args, **kwargs):
        # Past fairseq's own, which would fill the copies.
        nn.Module._load_from_state_dict(self, *args, **kwargs)


class DecoderLayer(_OwnParts, TransformerDecoderLayerBase):
    """fairseq's decoder layer, which returns attention weights only where its caller asks for them."""

    def __init__(self, cfg, no_encoder_attn=False):
        super().__init__(cfg, no_encoder_attn)
        self.need_attn = False
        self._use_own_dropout()

    def build_self_attention(self, embed_dim, cfg, add_bias_kv=False, add_zero_attn=False):
        """Attention to the target so far."""
        if not uses_own_attention(cfg):
            return super().build_self_attention(embed_dim, cfg, add_bias_kv, add_zero_attn)
        return _attention(cfg, embed_dim, cfg.decoder.attention_heads, causal=True)

    def build_encoder_attention(self, embed_dim, cfg):
        """Attention to the encoded source."""
        if not uses_own_attention(cfg):
            return super().build_encoder_attention(embed_dim, cfg)
        return _attention(cfg, embed_dim, cfg.decoder.attention_heads, key_dim=cfg.encoder.embed_dim)

    def make_generation_fast_(self, **kwargs) -> None:
        """Nothing: the decoder knows whether weights are wanted."""
