"""Which parameters DistributedDataParallel must leave out: those that no gradient ever reaches.

This file is added to fairseq by the build in fairseq-bbpe's scripts/fairseq; everything else there is fairseq's own.
"""

FUSED = [f"{part}_{kind}" for part in ("in_proj", "out_proj", "fc1", "fc2") for kind in ("weight", "bias")]


def untrained_copies(model):
    """Names of the fused copies of their weights that fairseq's Transformer encoder layers keep for inference."""
    from fairseq.modules.transformer_layer import TransformerEncoderLayerBase

    return [
        f"{path}.{name}" if path else name
        for path, layer in model.named_modules()
        if isinstance(layer, TransformerEncoderLayerBase)
        for name, _ in layer.named_parameters(recurse=False)
        if name in FUSED
    ]
