"""Depth-wise convolutions start as the identity, which hides what they do: tests of it draw their filters."""

from torch import nn


def with_random_filters(module: nn.Module) -> nn.Module:
    """The module, its convolutions with the filters that torch gives new ones."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d):
            layer.reset_parameters()
    return module
