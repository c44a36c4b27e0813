"""A Transformer as a CTranslate2 model: without context layer directly, with one convolution as five source factors.

The layer is linear, y_t = b + sum over k of W[:, k] * x_{t + k - K // 2}, channel by channel: so it equals the sum of K
embeddings, that of each neighbour from a table of its own, E * W[:, k]. CTranslate2 calls them source factors.
"""

from __future__ import annotations

from pathlib import Path

import torch
from ctranslate2.converters import fairseq as convert
from ctranslate2.specs import common_spec, transformer_spec
from fairseq.models.transformer import TransformerModel

from fairseq_bbpe.engines.ctranslate2_model import BLANK, FACTORS, unknown
from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.export.folder import describe, export_folder
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE

CONVERTS = "train with --arch transformer_bbpe_ctx --embed-context none, or conv in one layer"
ACTIVATIONS = {
    "relu": common_spec.Activation.RELU,
    "gelu": common_spec.Activation.GELU,
    "gelu_accurate": common_spec.Activation.GELUTanh,
    "gelu_fast": common_spec.Activation.GELUTanh,
}


@torch.no_grad()
def export_ctranslate2(engine: FairseqModels, output: Path, quantization: str | None = None) -> None:
    """Write the folder `output`, with all that `fairseq-bbpe translate` needs to run it.

    Raises:
        UserError: a model that has no exact equal, naming the option to train with; `output` is no folder to replace.
    """
    model = engine.models[0].float().cpu()
    check_converts(model)
    context = getattr(model.encoder, "contextualizer", None)
    tables = [_scaled(model.encoder)] if context is None else neighbour_tables(model.encoder)
    cfg = model.cfg
    spec = transformer_spec.TransformerSpec.from_config(
        (len(model.encoder.layers), len(model.decoder.layers)),
        cfg.encoder.attention_heads,
        pre_norm=cfg.encoder.normalize_before,
        activation=ACTIVATIONS[cfg.activation_fn],
        num_source_embeddings=len(tables),
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
        layernorm_embedding=model.encoder.layernorm_embedding is not None,
    )
    convert.set_transformer_encoder(spec.encoder, model.encoder)
    convert.set_transformer_decoder(spec.decoder, model.decoder)
    for embeddings, table in zip(spec.encoder.embeddings, tables, strict=True):
        embeddings.weight = table.numpy()
    spec.encoder.scale_embeddings = False  # the tables are
    source, target = (_tokens(dictionary) for dictionary in (model.encoder.dictionary, model.decoder.dictionary))
    if len(tables) > 1 and any(FACTORS in symbol for symbol in source):
        raise UserError(
            f"{engine.data}: a piece of the source holds U+FFE8, by which CTranslate2 splits source factors: use "
            "'fairseq-bbpe export fairseq'"
        )
    for number in range(len(tables)):
        spec.register_source_vocabulary([*source[:3], unknown(number), *source[4:]])
    spec.register_target_vocabulary(target)
    spec.config.decoder_start_token = spec.config.eos_token
    spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization=quantization)
    with export_folder(engine, output) as folder:
        spec.save(str(folder))
        describe(
            folder,
            format="ctranslate2",
            context_kernel=len(tables),
            longest_source=engine.longest_source,
            longest_target=engine.longest_target,
            source=engine.source,
            target=engine.target,
        )


def check_converts(model) -> None:
    """Raise `UserError` for a model that CTranslate2 cannot compute exactly."""
    if type(model) not in (TransformerBBPE, TransformerModel):
        raise UserError(f"--checkpoint: CTranslate2 has no layers for a {type(model).__name__}: {CONVERTS}")
    cfg = model.cfg
    context = getattr(model.args, "embed_context", "none")
    layers = getattr(model.args, "embed_context_layers", 1)
    wants = {
        f"--embed-context {context}": context in ("none", "conv"),
        f"--embed-context-layers {layers}": context == "none" or layers == 1,
        f"--embed-context-order {getattr(model.args, 'embed_context_order', None)}": context == "none"
        or getattr(model.args, "embed_context_order", "context-first") == "context-first",
        "--no-token-positional-embeddings": not cfg.no_token_positional_embeddings,
        f"--activation-fn {cfg.activation_fn}": cfg.activation_fn in ACTIVATIONS,
        "--adaptive-softmax-cutoff": cfg.adaptive_softmax_cutoff is None,
        "--cross-self-attention": not cfg.cross_self_attention,
        "--no-cross-attention": not cfg.no_cross_attention,
        "--encoder-normalize-before without --decoder-normalize-before": cfg.encoder.normalize_before
        == cfg.decoder.normalize_before,
        "--encoder-attention-heads unlike --decoder-attention-heads": cfg.encoder.attention_heads
        == cfg.decoder.attention_heads,
    }
    for option, exact in wants.items():
        if not exact:
            raise UserError(f"--checkpoint: {option} has no exact equal in CTranslate2: {CONVERTS}")


def neighbour_tables(encoder) -> list[torch.Tensor]:
    """(V, C) embeddings of every neighbour, the middle one first; the sum of all is the convolution's output."""
    (conv,) = encoder.contextualizer.layers
    embeddings = _scaled(encoder)
    embeddings[encoder.padding_idx] = 0  # beyond the sentence, the convolution reads zeros
    kernel = conv.kernel_size[0]
    middle = kernel // 2
    tables = [embeddings * conv.weight[:, 0, offset] for offset in range(kernel)]
    tables[middle] = tables[middle] + conv.bias
    return [tables[middle], *tables[:middle], *tables[middle + 1 :]]


def _scaled(encoder) -> torch.Tensor:
    return encoder.embed_tokens.weight.clone() * encoder.embed_scale


def _tokens(dictionary) -> list[str]:
    return [BLANK if number == dictionary.pad() else symbol for number, symbol in enumerate(dictionary.symbols)]
