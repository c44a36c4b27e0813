"""Which inputs a translation depends on: magnitudes of gradients, word by word (Figure 6 of the ByteNet paper)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_bbpe.analysis.figures import legible
from fairseq_bbpe.errors import UserError

WORD_START = "▁"  # sentencepiece's mark of a space, in every vocabulary of this project
END = "</s>"


@dataclass
class Saliency:
    """Gradient magnitudes of each predicted word (columns), with the largest of a column at 1.

    Attributes:
        source: (source words, target words).
        target: (previous target words, target words); zero below the diagonal, for nothing looks ahead.
        source_words, target_words: what stands on the axes; the end of the sentence is a word of its own.
    """

    source: np.ndarray
    target: np.ndarray
    source_words: list[str]
    target_words: list[str]


def input_embedding(network: nn.Module) -> nn.Module:
    """The layer of a source or target network that embeds its input symbols."""
    for name in ("embedding", "embed_tokens"):
        if isinstance(getattr(network, name, None), nn.Module):
            return getattr(network, name)
    raise UserError(f"--checkpoint: a {type(network).__name__} is no network of a translation model of this plugin")


def symbol_gradients(model, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Norms of the gradients of each target symbol's log-probability with respect to the input embeddings.

    Args:
        model: a fairseq encoder-decoder, in evaluation.
        source, target: symbols (S,) and (T,), each with its end.

    Returns:
        (S, T) and (T, T): in row j of the second, the target symbol j - 1 that step j reads.
    """
    embedded = []
    # Where both sides share one layer it runs twice: for the source first, and then for the target.
    layers = dict.fromkeys([input_embedding(model.encoder), input_embedding(model.decoder)])
    hooks = [layer.register_forward_hook(lambda _layer, _inputs, output: embedded.append(output)) for layer in layers]
    previous = torch.cat([target[-1:], target[:-1]]).unsqueeze(0)
    try:
        output = model(source.unsqueeze(0), torch.tensor([len(source)], device=source.device), previous)
    finally:
        for hook in hooks:
            hook.remove()
    log_probs = model.get_normalized_probs(output, log_probs=True)[0]
    inputs = [embedded[0], embedded[-1]]
    chosen = log_probs.gather(1, target.unsqueeze(1)).squeeze(1)
    columns = [torch.autograd.grad(each, inputs, retain_graph=True) for each in chosen]
    # A ByteNet may pad its source before it is encoded: no word stands there.
    return (
        torch.stack([by_source[0, : len(source)].norm(dim=-1) for by_source, _ in columns], dim=1),
        torch.stack([by_target[0].norm(dim=-1) for _, by_target in columns], dim=1),
    )


def words(pieces: list[str]) -> list[int]:
    """The number of the word that each piece belongs to: a word begins with the mark of a space, or is the end.

    >>> words(["▁th", "r", "ee", "▁", "d", "ays", "</s>"])
    [0, 0, 0, 1, 1, 1, 2]
    """
    starts = [at > 0 and (piece.startswith(WORD_START) or piece == END) for at, piece in enumerate(pieces)]
    return np.cumsum(starts).tolist()


def sum_words(gradients: np.ndarray, row_words: list[int], column_words: list[int]) -> np.ndarray:
    """Sum (S, T) over the pieces of each word on both axes, and scale each column to a largest value of 1."""
    total = np.zeros((max(row_words) + 1, max(column_words) + 1))
    np.add.at(total, np.ix_(row_words, column_words), gradients)
    return total / np.maximum(total.max(axis=0), np.finfo(float).tiny)


def saliency(model, source: Tensor, target: Tensor, source_pieces, target_pieces, spell) -> Saliency:
    """Gradients of a translation by words; `spell` turns a list of pieces into text."""
    with torch.enable_grad():
        by_source, by_target = symbol_gradients(model, source, target)
    rows, columns = words(source_pieces), words(target_pieces)

    def labels(pieces, numbers):
        groups = [[p for p, n in zip(pieces, numbers, strict=True) if n == word] for word in range(max(numbers) + 1)]
        return [END if group == [END] else spell(group) for group in groups]

    # Step j reads target symbol j - 1: move its row there. The end that step 0 reads belongs to no word.
    read = by_target.cpu().numpy()[1:]
    previous = np.concatenate([read, np.zeros((1, len(target_pieces)))])
    return Saliency(
        sum_words(by_source.cpu().numpy(), rows, columns),
        sum_words(previous, columns, columns),
        labels(source_pieces, rows),
        labels(target_pieces, columns),
    )


def draw_saliency(found: Saliency, plot) -> None:
    """Draw the two panels of Figure 6, one above the other: source words and previous target words against output."""
    heights = [len(found.source_words), len(found.target_words)]
    panels = plot.subplots(2, 1, sharex=True, height_ratios=heights)
    sides = ((found.source, found.source_words, "source"), (found.target, found.target_words, "previous target"))
    for axes, (values, labels, side) in zip(panels, sides, strict=True):
        shown = axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        labels, fonts = legible(labels)
        axes.set_yticks(range(len(labels)), labels, fontfamily=fonts)
        axes.set_ylabel(side)
    labels, fonts = legible(found.target_words)
    panels[1].set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontfamily=fonts)
    panels[1].set_xlabel("translation")
    plot.colorbar(shown, ax=panels, label="gradient, largest of a column = 1", shrink=0.6)
