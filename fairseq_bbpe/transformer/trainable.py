"""Which parts of a Transformer train, and which stay as they are: the fine-tuning of Table 8 of the BBPE paper."""

import shlex
from itertools import chain

import torch
from fairseq.models.transformer import TransformerModelBase
from torch import nn

from fairseq_bbpe.errors import UserError

PARTS = ("embed", "encoder", "decoder")

# An embedding table and the projection onto the same vocabulary are one part, whether or not they share their weights.
EMBED = ("embed_tokens", "output_projection", "adaptive_softmax")


def parse_parts(spec: str) -> frozenset[str]:
    """Read ``all`` or a list out of `PARTS` with commas; raises `UserError` for anything else.

    >>> sorted(parse_parts("encoder,embed")), parse_parts("all") == frozenset(PARTS)
    (['embed', 'encoder'], True)
    """
    # A hydra file may hold anything.
    names = [name.strip() for name in str(spec).split(",")]
    if names == ["all"]:
        return frozenset(PARTS)
    problem = next((f"there is no part {shlex.quote(name)}" for name in names if name not in PARTS), None)
    if problem is None and len(set(names)) < len(names):
        problem = f"{next(name for name in names if names.count(name) > 1)} is there twice"
    if problem:
        remedy = f"give all, or one or more of {', '.join(PARTS)} with commas between"
        raise UserError(f"--trainable {shlex.quote(str(spec))}: {problem}: {remedy}")
    return frozenset(names)


def part_of(name: str) -> str:
    """The part that a parameter belongs to, by its name in the model.

    >>> part_of("decoder.layers.0.fc1.weight"), part_of("decoder.output_projection.weight")
    ('decoder', 'embed')
    """
    side, room = name.split(".")[:2]
    return "embed" if room in EMBED else side


def freeze_all_but(parts: frozenset[str], model: TransformerModelBase) -> str | None:
    """Stop the parameters of all other parts from training, and say what does train; None where that is everything.

    Shared parameters are one. Frozen ones have no gradient, and fairseq's optimizers never see them: neither decay nor
    momentum moves them.
    """
    if parts == frozenset(PARTS):
        return None
    trained = total = 0
    for name, parameter in model.named_parameters():
        total += parameter.numel()
        if part_of(name) in parts:
            trained += parameter.numel()
        else:
            parameter.requires_grad_(False)
    if model.cfg.checkpoint_activations:
        # children(): under --encoder-layerdrop, the list itself leaves some layers out at random.
        for layer in chain.from_iterable(getattr(model, side).layers.children() for side in parts - {"embed"}):
            layer.register_forward_pre_hook(_ask_for_gradient)
    named = ", ".join(part for part in PARTS if part in parts)
    return f"trainable: {named}: {trained:,} of {total:,} parameters"


def _ask_for_gradient(layer: nn.Module, inputs: tuple) -> None:
    """Give a layer's input a gradient: with frozen embeddings, checkpointing silently skips the layers' gradients."""
    if torch.is_grad_enabled():
        inputs[0].requires_grad_()
