"""The length of the shortest path between two tokens of a model, in layer steps (Table 1 of the ByteNet paper).

A token's signal moves on through layers. Which positions a convolution or an attention reads is measured, by gradients
through every single layer; to pass one costs a step, and the residual connection around it none. A recurrent layer
costs a step a position. What no way reaches, because it lies beyond the receptive field, is infinitely far.
"""

import math

import torch
from torch import Tensor

from fairseq_bbpe.modules.batch_parts import BatchParts


def reads(layer, length: int, width: int, of_memory: bool = False) -> Tensor:
    """Whether output position q depends on input position p, (p, q), for a function of (T, B, C).

    A column of the batch for each q: one backward pass through all. With `of_memory`, the layer has a second argument
    of as many positions, and the dependence is on that one.
    """
    inputs = torch.randn(length, length, width, requires_grad=True)
    memory = torch.randn(length, length, width, requires_grad=True)
    output = layer(inputs, memory) if of_memory else layer(inputs)
    every = torch.arange(length)
    predictions = output[every, every]  # position q of column q
    (predictions * torch.randn_like(predictions)).sum().backward()
    return (memory if of_memory else inputs).grad.abs().sum(-1) > 0


def through(steps: Tensor, read: Tensor) -> Tensor:
    """Steps to each output position of a residual layer that reads these input positions."""
    return torch.minimum(steps, across(steps, read))


def across(steps: Tensor, read: Tensor) -> Tensor:
    """Steps to each output position (q,) without the residual connection, from those to each input position (p,)."""
    return 1 + torch.where(read, steps.unsqueeze(1), math.inf).min(dim=0).values


def along(steps: Tensor, both_ways: bool = False) -> Tensor:
    """Steps to each position of a recurrent layer: one for each position on the way."""
    positions = torch.arange(len(steps))
    distance = positions.unsqueeze(1) - positions
    far = distance.abs() if both_ways else torch.where(distance >= 0, distance, math.inf)
    return (steps + far).min(dim=1).values


def at_first(length: int) -> Tensor:
    """Steps to each position from the first token, before any layer."""
    return torch.full((length,), math.inf).index_fill(0, torch.tensor([0]), 0.0)


def bytenet_network(network, steps: Tensor) -> Tensor:
    """Through a source or target network of a ByteNet."""
    if hasattr(network, "lstm"):
        return along(steps, network.lstm.bidirectional)
    for block in network.blocks:

        def layer(x: Tensor, block=block) -> Tensor:
            return block(x.transpose(0, 1), BatchParts()).transpose(0, 1)

        steps = through(steps, reads(layer, len(steps), block.reduce.taps.in_features))
    return steps


def bytenet_steps(model, source: Tensor, target: Tensor) -> Tensor:
    """Source column t joins target step t, which costs nothing (Section 3.1)."""
    columns = bytenet_network(model.encoder.network, source)
    return bytenet_network(model.decoder.network, torch.minimum(columns, target))


def transformer_steps(model, source: Tensor, target: Tensor) -> Tensor:
    """Each target layer reads the target before it and the whole source; one layer of each kind is measured for all."""
    length, width = len(target), model.encoder.embed_tokens.embedding_dim
    mask = torch.full((length, length), -math.inf).triu(1)
    of_source, of_target = model.encoder.layers[0], model.decoder.layers[0]

    def step(x: Tensor, memory: Tensor | None = None) -> Tensor:
        return of_target(x, torch.zeros_like(x) if memory is None else memory, None, self_attn_mask=mask)[0]

    read_source = reads(lambda x: of_source(x, None), length, width)
    read_target, read_memory = reads(step, length, width), reads(step, length, width, of_memory=True)
    for _ in model.encoder.layers:
        source = through(source, read_source)
    for _ in model.decoder.layers:
        target = torch.minimum(through(target, read_target), across(source, read_memory))
    return target


def fconv_steps(model, source: Tensor, target: Tensor) -> Tensor:
    """Convolutions on both sides; in every target layer attention to the whole source, one step."""
    for conv in model.encoder.convolutions:
        source = through(source, reads(conv, len(source), conv.in_channels))
    for conv in model.decoder.convolutions:
        target = torch.minimum(through(target, reads(conv, len(target), conv.in_channels)), 1 + source.min())
    return target


def lstm_steps(model, source: Tensor, target: Tensor) -> Tensor:
    """With attention a step from any source position; without, a step from the last one to the first target step."""
    source = along(source)
    if model.decoder.attention is not None:
        return along(torch.minimum(target, 1 + source.min()))
    entry = torch.full_like(target, math.inf)
    entry[0] = source[-1] + 1
    return along(torch.minimum(target, entry))


RULES = {"transformer": transformer_steps, "fconv": fconv_steps, "lstm": lstm_steps, "bytenet": bytenet_steps}


def paths(family: str, model, length: int) -> tuple[float, float]:
    """Path_S and Path_T: steps from the first source token, and the first target token, to the last prediction."""
    nowhere = torch.full((length,), math.inf)
    rule = RULES[family]
    from_source = rule(model, at_first(length), nowhere)[-1]
    from_target = rule(model, nowhere, at_first(length))[-1]
    return float(from_source), float(from_target)
