"""Steps of generation without calls of modules: what they compute, and where the layers themselves must be called."""

import pytest
import torch
from test_decoder import SYMBOLS, build, padded, sentences
from torch import nn

from fairseq_bbpe.modules.linear import Linear
from fairseq_bbpe.transformer.decoding_step import DecodingStep

SCALES = ("scale_attn", "scale_fc", "scale_heads", "scale_resids")


class Doubled(Linear):
    """A linear layer that somebody has put something on top of."""

    def forward(self, x):
        """Twice as much."""
        return 2 * super().forward(x)


def whole_and_steps(model, length=6):
    """The features of targets at once, and step by step, with the state of the steps."""
    source, targets = padded(sentences(5, 3), left=True), torch.randint(4, SYMBOLS, (2, length))
    encoded, state = model.encoder(source, None), {}
    whole = model.decoder(targets, encoded)[0]
    steps = [model.decoder(targets[:, : end + 1], encoded, incremental_state=state)[0] for end in range(length)]
    return whole, torch.cat(steps, 1), state


@torch.no_grad()
@pytest.mark.parametrize("options", [
    {}, {"decoder_normalize_before": True}, {"activation_fn": "gelu"}, {"no_token_positional_embeddings": True},
    {"decoder_output_dim": 24, "share_all_embeddings": False}, {"encoder_embed_dim": 48, "share_all_embeddings": False},
])  # fmt: skip
def test_a_step_computes_what_the_layers_do(options):
    model = build(embed_context="none", **options)[0].eval()
    whole, steps, state = whole_and_steps(model)
    assert isinstance(state[model.decoder], DecodingStep)
    torch.testing.assert_close(steps, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_step_returns_the_states_of_the_layers():
    model = build(embed_context="none")[0].eval()
    source, targets = padded(sentences(5, 3), left=False), torch.randint(4, SYMBOLS, (2, 4))
    encoded, state = model.encoder(source, None), {}
    whole = model.decoder(targets, encoded)[1]["inner_states"]
    for end in range(4):
        extra = model.decoder(targets[:, : end + 1], encoded, incremental_state=state)[1]
    assert extra["attn"] == [None]
    assert len(extra["inner_states"]) == len(whole) == 3
    for step, all_at_once in zip(extra["inner_states"], whole, strict=True):
        torch.testing.assert_close(step, all_at_once[-1:], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_layer_that_is_no_plain_one_is_called():
    model = build(embed_context="none")[0].eval()
    layer = model.decoder.layers[1]
    for name in ("fc1", "fc2"):
        doubled = Doubled(layer.fc1.in_features, layer.fc1.out_features)
        doubled.load_state_dict(getattr(layer, name).state_dict())
        setattr(layer, name, doubled)
    for attention in (layer.self_attn, layer.encoder_attn):
        doubled = Doubled(attention.embed_dim, attention.embed_dim)
        doubled.load_state_dict(attention.out_proj.state_dict())
        attention.out_proj = doubled
    layer.final_layer_norm = nn.Sequential(layer.final_layer_norm, nn.Tanh())
    whole, steps, state = whole_and_steps(model)
    assert isinstance(state[model.decoder], DecodingStep)
    torch.testing.assert_close(steps, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("scale", SCALES)
def test_layers_with_scales_are_called(scale):
    model = build(embed_context="none", **{scale: True})[0].eval()
    for name, parameter in model.named_parameters():
        if any(part in name for part in ("attn_ln", "c_attn", "ffn_layernorm", "w_resid")):
            parameter.data = torch.rand_like(parameter)
    whole, steps, state = whole_and_steps(model)
    assert state[model.decoder] is None
    torch.testing.assert_close(steps, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
@pytest.mark.parametrize("part", ["layers.1", "layers.0.self_attn.out_proj"])
def test_a_part_with_a_hook_is_called_in_every_step(register, part):
    model = build(embed_context="none")[0].eval()
    calls = []
    getattr(model.decoder.get_submodule(part), register)(lambda *given: calls.append(1))
    whole, steps, _ = whole_and_steps(model)
    assert len(calls) == 1 + 6
    torch.testing.assert_close(steps, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_dropout_that_is_retained_still_drops():
    model = build(embed_context="none", dropout=0.5)[0].eval()
    for layer in model.decoder.layers:
        layer.dropout_module.apply_during_inference = True
    _, steps, state = whole_and_steps(model)
    assert state[model.decoder] is None
    assert not torch.equal(steps, whole_and_steps(model)[1])


@torch.no_grad()
def test_weights_that_are_asked_for_later_come_from_the_same_caches():
    model = build(embed_context="none")[0].eval()
    source, targets = padded(sentences(5, 3), left=True), torch.randint(4, SYMBOLS, (2, 6))
    encoded, state = model.encoder(source, None), {}
    whole, extra = model.decoder(targets, encoded, alignment_layer=1)
    for end in range(6):
        asked = {"alignment_layer": 1} if end in (3, 5) else {}
        step, found = model.decoder(targets[:, : end + 1], encoded, incremental_state=state, **asked)
        torch.testing.assert_close(step[:, 0], whole[:, end], atol=1e-4, rtol=1e-4)
        if asked:
            torch.testing.assert_close(found["attn"][0][:, 0], extra["attn"][0][:, end], atol=1e-4, rtol=1e-4)
        else:
            assert found["attn"] == [None]
