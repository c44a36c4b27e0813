"""The Transformer of the BBPE paper: fairseq's own, with embeddings put in their context before the encoder.

The presets are the rows of Table 2; dropouts are those of "Models and Learning". `--embed-context none` gives the
paper's models without a plus sign, `gru` (the default) those with one.
"""

import logging
from argparse import ArgumentParser, Namespace
from typing import Any

from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import TransformerModel
from fairseq.models.transformer.transformer_legacy import base_architecture
from omegaconf import DictConfig, OmegaConf

from fairseq_bbpe.bpe import check_configured
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.transformer.decoder import TransformerBBPEDecoder
from fairseq_bbpe.transformer.encoder import CONTEXT_ORDERS, CONTEXTS, TransformerBBPEEncoder
from fairseq_bbpe.transformer.trainable import freeze_all_but, parse_parts

logger = logging.getLogger(__name__)


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
            help="what contextualises the source embeddings: none, conv (depth-wise convolution), gru (Bi-GRU), or "
            "mixture (each head of the first layer mixes convolutions of kernels 0 to 7); default: gru",
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
        if getattr(args, "quant_noise_scalar", 0):
            raise UserError(
                "--quant-noise-scalar: not with transformer_bbpe_ctx: give --quant-noise-pq, or leave it out"
            )
        parts = parse_parts(args.trainable)
        model = super().build_model(args, task)
        model.what_trains = freeze_all_but(parts, model)
        cfg = getattr(task, "cfg", None)
        model.decoder.left_pad_target = getattr(cfg, "left_pad_target", False)
        model.decoder.needs_weights = bool(getattr(cfg, "load_alignments", False))
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

    @classmethod
    def build_decoder(cls, cfg, tgt_dict, embed_tokens):
        """fairseq's decoder, of layers that decode faster."""
        return TransformerBBPEDecoder(cfg, tgt_dict, embed_tokens, no_encoder_attn=cfg.no_cross_attention)

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
    values: Any = OmegaConf.to_container(cfg, resolve=True)
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


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx_12_1")
def transformer_bbpe_ctx_12_1(args):
    """T_base with 12 encoder layers and 1 decoder layer: "Deep Encoder, Shallow Decoder" (Kasai et al., 2021)."""
    _preset(args, encoder_layers=12, decoder_layers=1)


@register_model_architecture("transformer_bbpe_ctx", "transformer_bbpe_ctx_tiny")
def transformer_bbpe_ctx_tiny(args):
    """Small enough to learn something on a CPU within minutes; not in the paper."""
    _preset(args, **_width(256, 1024, 4, 2), attention_dropout=0.0, activation_dropout=0.0)
