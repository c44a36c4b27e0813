"""fairseq's own options of a Transformer do with our layers what they do with fairseq's."""

from argparse import Namespace

import pytest
import torch
from fairseq import modules
from fairseq.models.transformer import transformer_decoder, transformer_encoder
from fairseq.modules import FairseqDropout
from test_decoder import PADDING, SYMBOLS, beside_fairseqs, build, padded, sentences

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.transformer import layers

WRAPPERS = ("checkpoint_wrapper", "fsdp_wrap")


@pytest.mark.parametrize("checkpointed", [{}, {"checkpoint_activations": True}, {"offload_activations": True}],
                         ids=["plain", "checkpointed", "offloaded"])  # fmt: skip
def test_layers_are_wrapped_as_fairseq_wraps_its_own(checkpointed, monkeypatch):
    """For recomputed activations, and for fairscale's sharded training, which a CPU cannot run."""
    calls = []

    def recorder(name):
        def wrap(layer, **options):
            assert isinstance(layer, torch.nn.Module)
            calls.append((name, options))
            return torch.nn.Sequential(layer)

        return wrap

    for module in (layers, transformer_encoder, transformer_decoder):
        for name in WRAPPERS:
            monkeypatch.setattr(module, name, recorder(name))
    models, found = [], []
    for settings in ({"embed_context": "none"}, {"arch": "transformer"}):
        calls.clear()
        models.append(build(min_params_to_wrap=1234, **settings, **checkpointed)[0])
        found.append(list(calls))
    assert found[0] == found[1]
    for side in (models[0].encoder, models[0].decoder):  # what a wrapper returns is the layer
        assert all(isinstance(layer, torch.nn.Sequential) for layer in side.layers)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options", [{"quant_noise_pq": 0.5, "quant_noise_pq_block_size": 4}, {"cross_self_attention": True}]
)
def test_what_is_fairseqs_attention_alone_equals_fairseqs(options, training):
    """Quantization noise, on products and embeddings, drops the same blocks for the same seed."""
    ours, theirs, _ = beside_fairseqs(dropout=0.0, **options)
    source, target = padded(sentences(5, 8, 3), True), padded(sentences(7, 2, 4), False)
    outputs = []
    for model in (ours, theirs):
        torch.manual_seed(7)
        outputs.append(model.double().train(training)(source, None, target)[0])
    kept = target.ne(PADDING)
    torch.testing.assert_close(outputs[0][kept], outputs[1][kept], atol=1e-9, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("options", [{"quant_noise_pq": 0.5}, {"cross_self_attention": True}, {}])
def test_steps_equal_the_whole(options):
    """fairseq's attention wants the padding of a step's own position alone, ours that of all."""
    model = beside_fairseqs(dropout=0.0, **options)[0].eval()
    source, target = padded(sentences(5, 8), True), padded(sentences(6, 6), False)
    encoded, state = model.encoder(source, None), {}
    whole = model.decoder(target, encoder_out=encoded)[0]
    for step in range(target.size(1)):
        logits = model.decoder(target[:, : step + 1], encoder_out=encoded, incremental_state=state)[0]
        torch.testing.assert_close(logits[:, 0], whole[:, step], atol=1e-4, rtol=1e-4)


def test_noise_of_scalars_is_refused():
    """fairseq's quantizer knows fairseq's layers alone."""
    with pytest.raises(UserError, match=r"^--quant-noise-scalar: not with transformer_bbpe_ctx"):
        build(quant_noise_scalar=0.5)


def test_alignments_train():
    """`label_smoothed_cross_entropy_with_alignment` reads the weights of the last layer."""
    ours, theirs, _ = beside_fairseqs(dropout=0.0)
    ours.decoder.needs_weights = True
    source, target = padded(sentences(5, 8), True), padded(sentences(4, 4), False)
    (mine,), (other,) = (m.train()(source, None, target)[1]["attn"] for m in (ours, theirs))
    torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)
    assert mine.requires_grad


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, MultiheadAttention),
        ({"quant_noise_pq": 0.5}, modules.MultiheadAttention),
        ({"cross_self_attention": True}, modules.MultiheadAttention),
    ],
)
def test_every_attention_is_fairseqs_where_ours_lacks_the_option(options, kind):
    model = build(embed_context="none", **options)[0]
    kinds = [type(part) for name, part in model.named_modules() if name.endswith(("self_attn", "encoder_attn"))]
    assert len(kinds) == 6
    assert set(kinds) == {kind}


@pytest.mark.parametrize(
    "module",
    [
        "TransformerEncoder",
        "TransformerDecoder",
        "TransformerEncoderLayerBase",
        "TransformerDecoderLayerBase",
        "MultiheadAttention",
        None,
    ],
)
def test_dropout_that_generation_retains_is_retained_in_the_same_places(module):
    """`--retain-dropout` and `--retain-dropout-modules`."""
    options = {"retain_dropout": True, "retain_dropout_modules": module and [module]}
    generation = Namespace(beam=5, no_beamable_mm=False, print_alignment=None, replace_unk=None, **options)
    retained = []
    for model in beside_fairseqs(dropout=0.1)[:2]:
        model.prepare_for_inference_(Namespace(generation=generation, bpe=None))
        drops = {name: part for name, part in model.named_modules() if isinstance(part, FairseqDropout)}
        retained.append({name for name, part in drops.items() if part.apply_during_inference})
    assert retained[0] == retained[1]
    assert retained[0]


def test_a_rate_of_zero_returns_its_input_and_draws_nothing():
    drop, x = layers.Dropout(0.0).train(), torch.randn(3, SYMBOLS)
    before = torch.get_rng_state()
    assert drop(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_what_drops_between_products_draws_by_this_projects_dropout():
    """Attention alone reads its rate from fairseq's."""
    model = build(embed_context="none", dropout=0.1)[0]
    kinds = {name: type(part) for name, part in model.named_modules() if isinstance(part, FairseqDropout)}
    assert {name for name, kind in kinds.items() if kind is FairseqDropout} == {
        name for name in kinds if name.endswith("attn.dropout_module")
    }
    assert set(kinds.values()) == {FairseqDropout, layers.Dropout}


@torch.no_grad()
def test_a_model_loads_what_another_saved_and_nothing_more():
    """fairseq's encoder layer would add a second copy of its weights as it loads."""
    source, target = padded(sentences(5, 8), True), padded(sentences(4, 4), False)
    saved, new = (build(embed_context="conv")[0].eval() for _ in range(2))
    for parameter in saved.parameters():
        parameter.add_(torch.randn(parameter.shape) / 10)
    state = saved.state_dict()
    names = list(state)
    new.load_state_dict(state)
    assert list(state) == list(new.state_dict()) == names
    assert torch.equal(new(source, None, target)[0], saved(source, None, target)[0])
