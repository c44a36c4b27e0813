"""Every preset is what its paper's table says, as fairseq's own parser and configuration deliver it."""

import functools

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import ARCH_MODEL_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401


@functools.cache
def configuration(arch: str, *flags: str) -> dict:
    """What a model of this architecture is built from."""
    parser = options.get_training_parser()
    args = options.parse_args_and_arch(parser, ["data", "--task", "translation", "--arch", arch, *flags])
    model = convert_namespace_to_omegaconf(args).model
    return dict(model) if hasattr(model, "keys") else vars(model)


# Section 6 of the first version: 15 + 15 blocks, d = 892, kernels 5 and 3, ReLUs, Sub-BN, lengths in steps of 25.
BYTENET = {
    "channels": 892,
    "source_sets": 3,
    "target_sets": 3,
    "dilations": "1,2,4,8,16",
    "source_kernel": 5,
    "target_kernel": 3,
    "block": "relu",
    "norm": "sub_batch",
    "dropout": 0.0,
    "join": "sum",
    "unfold": "zero",
    "unfold_a": 1.2,
    "unfold_b": 0.0,
    "source_ngrams": "",
    "target_ngrams": "",
    "bucket_width": 25,
    "bucket_longest": 500,
    "source_network": "conv",
    "target_network": "conv",
    "rnn_layers": 2,
}
# Second version: 30 + 30 blocks, d = 800, kernel 3 on both sides, layer norm, the source unfolded to 1.2|s| + 0.
BYTENET_V2 = {
    **BYTENET,
    "channels": 800,
    "source_sets": 6,
    "target_sets": 6,
    "source_kernel": 3,
    "norm": "layer",
    "unfold": "pad",
}
# Section 5: 25 blocks in five sets, d = 892, kernel 3, Multiplicative Units, Sub-BN, no n-grams.
DECODER = {
    "channels": 892,
    "sets": 5,
    "dilations": "1,2,4,8,16",
    "kernel": 3,
    "block": "multiplicative",
    "norm": "sub_batch",
    "dropout": 0.0,
    "compile_blocks": False,
}
# Second version: 30 blocks, d = 512, layer norm, dropout 0.1.
DECODER_V2 = {**DECODER, "channels": 512, "sets": 6, "norm": "layer", "dropout": 0.1}


def transformer(dim: int, ffn: int, heads: int, layers: int, dropout: float, inner_dropout: float) -> dict:
    """A row of Table 2 of the BBPE paper; attention and ReLU dropout as its text has them."""
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {
            "embed_dim": dim,
            "ffn_embed_dim": ffn,
            "attention_heads": heads,
            "layers": layers,
            "normalize_before": False,
            "learned_pos": False,
        }.items()
    }
    inner = {"attention_dropout": inner_dropout, "activation_dropout": inner_dropout}
    context = {"embed_context": "gru", "embed_context_kernel": 5, "embed_context_layers": 1, "trainable": "all"}
    return {**sides, "dropout": dropout, **inner, **context, "activation_fn": "relu", "no_scale_embedding": False}


V1_TINY = {**BYTENET, "channels": 96, "source_sets": 1, "target_sets": 1, "bucket_longest": 250}
PRESETS = {
    "bytenet": BYTENET,
    "bytenet_v2": BYTENET_V2,
    "bytenet_tiny": {**BYTENET_V2, "channels": 96, "source_sets": 1, "target_sets": 1, "bucket_longest": 250},
    "bytenet_v1_tiny": V1_TINY,
    # Section 4.1 of the first version describes these; it has its padding, norm and kernels for them.
    "bytenet_conv_rnn": {**BYTENET, "target_network": "rnn"},
    "bytenet_birnn_rnn": {**BYTENET, "source_network": "birnn", "target_network": "rnn"},
    "bytenet_conv_rnn_tiny": {**V1_TINY, "target_network": "rnn"},
    "bytenet_birnn_rnn_tiny": {**V1_TINY, "source_network": "birnn", "target_network": "rnn"},
    "bytenet_lm": DECODER,
    "bytenet_lm_v2": DECODER_V2,
    "bytenet_lm_tiny": {**DECODER_V2, "channels": 64, "sets": 1, "dropout": 0.0},
    "transformer_bbpe_ctx": transformer(512, 2048, 8, 6, 0.1, 0.1),
    "transformer_bbpe_ctx_big": transformer(1024, 4096, 16, 6, 0.3, 0.1),
    "transformer_bbpe_ctx_flores": transformer(512, 2048, 2, 5, 0.4, 0.2),
    # Kasai et al. (2021), "12-1": the rest as T_base.
    "transformer_bbpe_ctx_12_1": {**transformer(512, 2048, 8, 12, 0.1, 0.1), "decoder_layers": 1},
    "transformer_bbpe_ctx_tiny": transformer(256, 1024, 4, 2, 0.1, 0.0),
}


@pytest.mark.parametrize("arch", PRESETS)
def test_a_preset_is_what_its_paper_says(arch):
    found = configuration(arch)
    expected = PRESETS[arch]
    assert {name: found[name] for name in expected} == expected


def test_no_preset_is_forgotten():
    ours = {arch for arch, model in ARCH_MODEL_REGISTRY.items() if model.__module__.startswith("fairseq_bbpe")}
    assert ours == PRESETS.keys()


@pytest.mark.parametrize("arch", PRESETS)
def test_every_option_of_a_model_can_be_given_and_is_kept(arch):
    """fairseq's parser takes each of our options, and no preset overrides what a user says."""
    defaults = configuration(arch)
    changed = {}
    for name in PRESETS[arch]:
        match defaults[name]:
            case bool():
                continue  # flags without a value
            case int(value):
                changed[name] = value + 2
            case float(value):
                changed[name] = value / 2 + 0.05
            case str():
                continue
    flags = [part for name, value in changed.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    found = configuration(arch, *flags)
    assert {name: found[name] for name in changed} == changed
    assert len(changed) >= 4
