"""A Transformer as two programs of `torch.export`, which run wherever torch does, without fairseq and this package.

`source.pt2` reads the source once. `step.pt2` takes one decoding step, whose caches are inputs and outputs. What the
programs compute is what the model's own layers compute. Only what depends on the data there, positions and caches,
stands here in a form that can be traced for every length.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from fairseq.modules import SinusoidalPositionalEmbedding
from torch import Tensor, nn

from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.export.folder import describe, export_folder
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE
from fairseq_bbpe.modules.attention_cache import SourceCache
from fairseq_bbpe.transformer.layers import uses_own_attention


class SourceProgram(nn.Module):
    """Source ids -> what every decoder layer attends to.

    Shape:
        - tokens: ``(B, S)``, each row a sentence and its ``</s>``, padding on the right
        - output: keys and values ``(L, 2, B, H, S, D)``, and the padding mask ``(B, S)``
    """

    def __init__(self, model: TransformerBBPE):
        super().__init__()
        encoder = model.encoder
        self.encoder, self.padding = encoder, encoder.padding_idx
        self.cross = nn.ModuleList(layer.encoder_attn for layer in model.decoder.layers)
        self.positions = _positions(encoder)
        self.context_first = encoder.cfg.embed_context_order == "context-first"

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        encoder: Any = self.encoder
        mask = tokens.eq(self.padding)
        x = encoder.embed_scale * encoder.embed_tokens(tokens)
        non_pad = (~mask).long()
        places = self.positions[non_pad.cumsum(1) * non_pad + self.padding]
        if encoder.contextualizer is not None and self.context_first:
            x = encoder.contextualizer(x, mask) + places
        else:
            x = x + places
            x = x if encoder.contextualizer is None else encoder.contextualizer(x, mask)
        if encoder.layernorm_embedding is not None:
            x = encoder.layernorm_embedding(x)
        # B x S x C -> S x B x C
        x = x.masked_fill(mask.unsqueeze(-1), 0).transpose(0, 1)
        for layer in encoder.layers:
            x = layer(x, encoder_padding_mask=mask)
        if encoder.layer_norm is not None:
            x = encoder.layer_norm(x)
        attentions: Any = self.cross
        projected = [torch.stack(attention._project(x, attention.k_proj, attention.v_proj)) for attention in attentions]
        return torch.stack(projected), mask


class StepProgram(nn.Module):
    """The last target ids and what was decoded before -> log-probabilities of the next.

    Shape:
        - tokens: ``(B,)``, at first ``</s>``
        - past: keys and values of the T ids before, ``(L, 2, B, H, T, D)``, at first with T = 0
        - source, source_mask: of `SourceProgram`; whoever searches with a beam repeats the sentences
        - output: log-probabilities ``(B, V)``, and the new past ``(L, 2, B, H, T + 1, D)``
    """

    def __init__(self, model: TransformerBBPE):
        super().__init__()
        self.decoder, self.positions = model.decoder, _positions(model.decoder)

    def forward(self, tokens: Tensor, past: Tensor, source: Tensor, source_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        decoder: Any = self.decoder
        x = decoder.embed_scale * decoder.embed_tokens(tokens)
        if decoder.project_in_dim is not None:
            x = decoder.project_in_dim(x)
        x = x + self.positions[past.size(4) + decoder.padding_idx + 1]
        if decoder.layernorm_embedding is not None:
            x = decoder.layernorm_embedding(x)
        # B x C -> 1 x B x C
        x, kept = x.unsqueeze(0), []
        for layer, before, seen in zip(decoder.layers, past.unbind(0), source.unbind(0), strict=True):
            cache = _Past(layer.self_attn._packed(), before)
            keys, values = seen.unbind(0)
            state = {layer.self_attn: cache, layer.encoder_attn: SourceCache(keys, values, source_mask)}
            # The keys of the source are in its cache: what stands in their place is not read.
            x, _, _ = layer(x, x, source_mask, state)
            kept.append(cache.kept)
        if decoder.layer_norm is not None:
            x = decoder.layer_norm(x)
        x = x.squeeze(0)
        if decoder.project_out_dim is not None:
            x = decoder.project_out_dim(x)
        return decoder.output_projection(x).float().log_softmax(-1), torch.stack(kept)


class _Past:
    """`SelfCache` as a value: keys and values `(2, B, H, T, D)` that grow by one position."""

    def __init__(self, packed: tuple[Tensor, Tensor], kept: Tensor):
        self.packed, self.kept = packed, kept

    def append(self, added: Tensor) -> tuple[Tensor, Tensor]:
        # B x 2 x H x D -> 2 x B x H x 1 x D
        self.kept = torch.cat([self.kept, added.transpose(0, 1).unsqueeze(3)], dim=3)
        keys, values = self.kept.unbind(0)
        return keys, values


def check_exports(model) -> None:
    """Raise `UserError` for a model that has no such programs."""
    if type(model) is not TransformerBBPE or not uses_own_attention(model.cfg):
        raise UserError(
            f"--checkpoint: a {type(model).__name__} has no programs of torch.export: train with "
            "--arch transformer_bbpe_ctx, without --quant-noise-pq, xFormers and --cross-self-attention"
        )
    cfg = model.cfg
    for option, refused in {
        "--adaptive-softmax-cutoff": cfg.adaptive_softmax_cutoff is not None,
        "--no-cross-attention": cfg.no_cross_attention,
        "--no-token-positional-embeddings": cfg.no_token_positional_embeddings,
    }.items():
        if refused:
            raise UserError(f"--checkpoint: {option} has no program of torch.export: train without it")


def trace(model: TransformerBBPE) -> tuple[torch.export.ExportedProgram, torch.export.ExportedProgram]:
    """The two programs, for any number of sentences and any length up to the model's.

    Raises:
        UserError: a model that has no such programs.
    """
    check_exports(model)
    model.requires_grad_(False)
    rows, long = torch.export.Dim("rows", max=1 << 20), torch.export.Dim("source", max=1 << 20)
    tokens = torch.full((2, 5), model.encoder.dictionary.eos())
    tokens[1, 3:] = model.encoder.padding_idx
    reads = SourceProgram(model)
    source, mask = reads(tokens)
    layers, _, _, heads, _, width = source.shape
    past = torch.zeros(layers, 2, 2, heads, 3, width)
    traced = torch.export.export(reads, (tokens,), dynamic_shapes=({0: rows, 1: long},), strict=False)
    before = torch.export.Dim("before", min=0, max=len(StepProgram(model).positions) - model.decoder.padding_idx - 2)
    shapes = ({0: rows}, {2: rows, 4: before}, {2: rows, 4: long}, {0: rows, 1: long})
    step = torch.export.export(
        StepProgram(model), (tokens[:, 0], past, source, mask), dynamic_shapes=shapes, strict=False
    )
    return traced, step


def export_torch(engine: FairseqModels, output: Path) -> None:
    """Write the folder `output`: both programs, the dictionaries, the vocabulary, and a description."""
    model = engine.models[0].float().cpu()
    source, step = trace(model)
    attention = model.decoder.layers[0].self_attn
    with export_folder(engine, output) as folder:
        torch.export.save(source, folder / "source.pt2")
        torch.export.save(step, folder / "step.pt2")
        for side, language in ((model.encoder, engine.source), (model.decoder, engine.target)):
            side.dictionary.save(str(folder / f"dict.{language}.txt"))
        describe(
            folder,
            format="torch",
            eos=model.decoder.dictionary.eos(),
            pad=model.decoder.padding_idx,
            past=[len(model.decoder.layers), 2, "rows", attention.num_heads, "steps", attention.head_dim],
            longest_source=engine.longest_source,
        )


def _positions(side) -> Tensor:
    """(positions, C) embeddings of every position, which start after the padding's index."""
    table = side.embed_positions
    if isinstance(table, SinusoidalPositionalEmbedding):
        longest = int(side.max_positions()) + side.padding_idx + 1
        return SinusoidalPositionalEmbedding.get_embedding(longest, table.embedding_dim, side.padding_idx)
    return table.weight.detach()
