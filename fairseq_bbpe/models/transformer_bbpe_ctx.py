"""The Transformer of the BBPE paper: fairseq's own, with embeddings put in their context before the encoder.

The presets are the rows of Table 2; dropouts are those of "Models and Learning". `--embed-context none` gives the
paper's models without a plus sign, `gru` (the default) those with one.
"""

import logging
from argparse import ArgumentParser, Namespace

from fairseq.distributed import fsdp_wrap
from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import TransformerEncoderBase, TransformerModel
from fairseq.models.transformer.transformer_legacy import base_architecture
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from fairseq.modules.transformer_layer import TransformerEncoderLayerBase
from omegaconf import DictConfig, OmegaConf
from torch import nn

from fairseq_bbpe.bpe import check_configured
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models.trainable import freeze_all_but, parse_parts
from fairseq_bbpe.modules.contextualizer import BiGRU, DepthwiseConv

logger = logging.getLogger(__name__)

CONTEXTS = ("none", "conv", "gru")
# The paper leaves open where the positions join. The second is its authors' code (fairseq's examples/byte_level_bpe).
CONTEXT_ORDERS = ("context-first", "positions-first")


def build_contextualizer(cfg):
    """The layer that `--embed-context` names, or None; raises `UserError` where there is none of that name."""
    if cfg.embed_context_order not in CONTEXT_ORDERS:
        raise UserError(f"--embed-context-order {cfg.embed_context_order}: give one of {', '.join(CONTEXT_ORDERS)}")
    if cfg.embed_context == "none":
        return None
    layers = cfg.embed_context_layers
    if layers < 1:
        raise UserError(f"--embed-context-layers {layers}: give 1 or more, or --embed-context none")
    if cfg.embed_context == "conv":
        return DepthwiseConv(cfg.encoder.embed_dim, cfg.embed_context_kernel, layers)
    if cfg.embed_context == "gru":
        return BiGRU(cfg.encoder.embed_dim, layers)
    raise UserError(f"--embed-context {cfg.embed_context}: give one of {', '.join(CONTEXTS)}")


class EncoderLayer(TransformerEncoderLayerBase):
    """fairseq's encoder layer without the second copy of its weights that fairseq 0.12.2 keeps for a fused kernel.

    The copies train as zeros: at T_base they make 19M parameters out of nothing, in every checkpoint and optimizer
    state, and leave several processes waiting for gradients that never come.
    """

    FUSED = ("in_proj", "out_proj", "fc1", "fc2")

    def __init__(self, cfg, return_fc=False):
        super().__init__(cfg, return_fc)
        for name in self.FUSED:
            delattr(self, f"{name}_weight")
            delattr(self, f"{name}_bias")
        self.can_use_fastpath = False

    def _load_from_state_dict(self, *args, **kwargs):
        # Past fairseq's own, which would fill the copies.
        nn.Module._load_from_state_dict(self, *args, **kwargs)


class TransformerBBPEEncoder(TransformerEncoderBase):
    """fairseq's Transformer encoder on contextualised embeddings."""

    def __init__(self, cfg, dictionary, embed_tokens, return_fc=False):
        super().__init__(cfg, dictionary, embed_tokens, return_fc)
        self.contextualizer = build_contextualizer(cfg)

    def build_encoder_layer(self, cfg):
        """One layer, wrapped as fairseq wraps its own for `--checkpoint-activations` and sharded training."""
        layer = EncoderLayer(cfg, return_fc=self.return_fc)
        if cfg.checkpoint_activations:
            layer = checkpoint_wrapper(layer, offload_to_cpu=cfg.offload_activations)
        return fsdp_wrap(layer, min_num_params=0 if cfg.checkpoint_activations else cfg.min_params_to_wrap)

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


@register_model("transformer_bbpe_ctx")
class TransformerBBPE(TransformerModel):
    """A Transformer whose source embeddings are contextualised by nothing, a depth-wise convolution or a Bi-GRU."""

    registered_as = "transformer_bbpe_ctx"
    what_trains = None  # to be told

    @classmethod
    def hub_models(cls):
        """No model of this kind is published by name."""
        return {}

    @classmethod
    def add_args(cls, parser):
        """Add fairseq's options of a Transformer, and ours."""
        super().add_args(parser)
        parser.add_argument(
            "--embed-context",
            choices=CONTEXTS,
            help="what contextualises the source embeddings: none, conv (depth-wise convolution) or gru (Bi-GRU); "
            "default: gru",
        )
        parser.add_argument(
            "--embed-context-kernel",
            type=int,
            metavar="K",
            help="columns a depth-wise convolution sees, odd; default: 5",
        )
        parser.add_argument(
            "--embed-context-layers",
            type=int,
            metavar="N",
            help="layers that contextualise, one on another; default: 1",
        )
        parser.add_argument(
            "--embed-context-order",
            choices=CONTEXT_ORDERS,
            help="context-first: contextualize the scaled embeddings, then add positions; positions-first: add them "
            "first, with dropout before and after the context, as the authors' code does; default: context-first",
        )
        parser.add_argument(
            "--trainable",
            metavar="PARTS",
            help="what trains, out of embed (embeddings and output projection), encoder and decoder (all else of "
            "each), with commas between; what is not named keeps every bit of it; default: all",
        )

    @classmethod
    def build_model(cls, args, task):
        """Build a new model, after a look at what a hydra file may have misspelt."""
        if isinstance(args, DictConfig):
            args = _namespace(args, cls)
        transformer_bbpe_ctx(args)
        parts = parse_parts(args.trainable)
        model = super().build_model(args, task)
        model.what_trains = freeze_all_but(parts, model)
        return model

    def train(self, mode=True):
        """As torch's; says once what trains, here since a model that only translates is never set to train."""
        if mode and self.what_trains:
            logger.info(self.what_trains)
            self.what_trains = None
        return super().train(mode)

    @classmethod
    def build_encoder(cls, cfg, src_dict, embed_tokens):
        """fairseq's encoder, on contextualised embeddings."""
        return TransformerBBPEEncoder(cfg, src_dict, embed_tokens)

    def prepare_for_inference_(self, cfg) -> None:
        """As fairseq's, under any task; raises `UserError` where `--bbpe-model` is not the dictionaries' vocabulary."""
        super().prepare_for_inference_(cfg)
        check_configured(cfg, self.encoder.dictionary, self.decoder.dictionary)


def _namespace(cfg: DictConfig, model) -> Namespace:
    """The flat namespace that fairseq's Transformer is configured by, from a hydra file's `model:` section."""
    parser = ArgumentParser(allow_abbrev=False)
    model.add_args(parser)
    defaults = Namespace()
    transformer_bbpe_ctx(defaults)
    known = {action.dest for action in parser._actions} | set(vars(defaults)) | {"_name", "arch"}
    values = OmegaConf.to_container(cfg, resolve=True)
    # `fairseq-train` hands over all its options at once; a hydra file's section holds the model's alone.
    unknown = sorted(set(values) - known)
    if unknown:
        raise UserError(
            f"model: {values['_name']} has no option {', '.join(unknown)}; 'fairseq-train --help' lists them"
        )
    return Namespace(**values)


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx")
def transformer_bbpe_ctx(args):
    """T_base of Table 2: 6 layers, 512 wide, 8 heads. The paper's sizes are those of `--share-all-embeddings`."""
    args.embed_context = getattr(args, "embed_context", "gru")
    args.embed_context_kernel = getattr(args, "embed_context_kernel", 5)
    args.embed_context_layers = getattr(args, "embed_context_layers", 1)
    args.embed_context_order = getattr(args, "embed_context_order", "context-first")
    args.trainable = getattr(args, "trainable", "all")
    args.attention_dropout = getattr(args, "attention_dropout", 0.1)
    args.activation_dropout = getattr(args, "activation_dropout", 0.1)
    base_architecture(args)


def _preset(args, **settings) -> None:
    for name, value in settings.items():
        setattr(args, name, getattr(args, name, value))
    transformer_bbpe_ctx(args)


def _width(dim: int, ffn_dim: int, heads: int, layers: int) -> dict:
    return {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {
            "embed_dim": dim,
            "ffn_embed_dim": ffn_dim,
            "attention_heads": heads,
            "layers": layers,
        }.items()
    }


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx_big")
def transformer_bbpe_ctx_big(args):
    """T_big of Table 2."""
    _preset(args, **_width(1024, 4096, 16, 6), dropout=0.3)


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx_flores")
def transformer_bbpe_ctx_flores(args):
    """T_flores of Table 2, for little data (Si-En): attention and ReLU dropout 0.2."""
    _preset(args, **_width(512, 2048, 2, 5), dropout=0.4, attention_dropout=0.2, activation_dropout=0.2)


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx_tiny")
def transformer_bbpe_ctx_tiny(args):
    """Small enough to learn something on a CPU within minutes; not in the paper."""
    _preset(args, **_width(256, 1024, 4, 2), attention_dropout=0.0, activation_dropout=0.0)
