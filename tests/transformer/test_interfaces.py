"""What encoder and decoder return and accept beside the usual: all that fairseq's do."""

import copy
from argparse import Namespace

import pytest
import torch
from fairseq.models.transformer import TransformerDecoderBase, TransformerEncoderBase
from hypothesis import example, given
from hypothesis import strategies as st
from test_decoder import PADDING, SYMBOLS, beside_fairseqs, build, padded, sentences

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.transformer.decoder import TransformerBBPEDecoder
from fairseq_bbpe.transformer.encoder import TransformerBBPEEncoder


def assert_close(mine, theirs):
    # fairseq's softmax is of 32 bits where weights are asked for.
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def both(ours, theirs):
    """Two encoders or two decoders, for training, with the weights of the first."""
    theirs.load_state_dict(ours.state_dict(), strict=False)  # fairseq's fused copies are in training not used
    return [module.double().train() for module in (ours, theirs)]


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("all_states", [True, False])
def test_the_encoder_returns_all_that_fairseqs_returns(left, all_states):
    models = beside_fairseqs(dropout=0.0)[:2]
    source = padded(sentences(5, 8, 3), left)
    mine, theirs = (m.double().train().encoder(source, None, return_all_hiddens=all_states) for m in models)
    assert mine.keys() == theirs.keys()
    assert [len(mine["encoder_states"]), len(mine["fc_results"])] == ([3, 0] if all_states else [0, 0])
    theirs["fc_results"] = []  # of one None for each layer
    seen = source.ne(PADDING).T
    for name, expected in theirs.items():
        assert len(mine[name]) == len(expected)
        for a, b in zip(mine[name], expected, strict=True):
            assert a.dtype == b.dtype
            assert_close(a[seen] if a.shape[:2] == seen.shape else a, b[seen] if b.shape[:2] == seen.shape else b)
    assert not any(state[~seen].any() for state in mine["encoder_states"][:1])  # before its layers padding is zero


@pytest.mark.parametrize("training", [True, False])
def test_a_source_without_padding_has_no_mask(training):
    encoder = build(embed_context="none")[0].train(training).encoder
    assert encoder(padded(sentences(5, 5), left=False), None)["encoder_padding_mask"] == []
    assert len(encoder(padded(sentences(5, 4), left=False), None)["encoder_padding_mask"]) == 1


def test_the_encoder_returns_what_its_feed_forward_networks_give_out_where_it_is_asked_to():
    cfg, embedding = (model := build(embed_context="none", dropout=0.0)[0]).encoder.cfg, model.encoder.embed_tokens
    arguments = (cfg, model.encoder.dictionary, embedding, True)
    encoders = both(TransformerBBPEEncoder(*arguments), TransformerEncoderBase(*arguments))
    source = padded(sentences(5, 8, 3), left=False)
    mine, theirs = (encoder(source, None, return_all_hiddens=True)["fc_results"] for encoder in encoders)
    assert len(mine) == 2
    for a, b in zip(mine, theirs, strict=True):
        assert_close(a, b)
    assert encoders[0](source, None)["fc_results"] == []


def test_embeddings_that_are_given_take_the_place_of_the_tokens_own():
    ours, theirs, _ = beside_fairseqs(dropout=0.0)
    source, given = padded(sentences(5, 5), left=False), torch.randn(2, 5, 32, dtype=torch.double)
    mine, other = (
        m.double().train().encoder(source, None, token_embeddings=given)["encoder_out"][0] for m in (ours, theirs)
    )
    assert_close(mine, other)
    assert (mine - ours.encoder(source, None)["encoder_out"][0]).abs().max() > 0.1


@torch.no_grad()
def test_an_encoder_with_fairseqs_attention_repeats_its_sentences_as_fairseqs_does():
    ours, theirs, _ = beside_fairseqs(dropout=0.0, cross_self_attention=True)
    order = torch.arange(3).repeat_interleave(2)
    source = padded(sentences(5, 8, 3), left=False)
    mine, other = (
        m.double().train().encoder.reorder_encoder_out(m.encoder(source, None), order) for m in (ours, theirs)
    )
    assert mine.keys() == other.keys()
    seen = source[order].ne(PADDING).T
    assert_close(mine["encoder_out"][0][seen], other["encoder_out"][0][seen])
    assert torch.equal(mine["encoder_padding_mask"][0], other["encoder_padding_mask"][0])


ENCODER = build(embed_context="none")[0].encoder
rows_of = st.lists(st.integers(0, 11), min_size=1, max_size=6)
copies = st.integers(1, 3)


@example(sentences=2, orders=[2, [0, 0, 1, 1]])  # all four rows are then the first sentence's
@given(sentences=st.integers(1, 3), orders=st.lists(st.one_of(rows_of, copies), max_size=5))
def test_any_orders_of_rows_give_each_row_the_sentence_that_it_had(sentences, orders):
    """Orders of rows as a search gives them, the rows' numbers or how often each comes, one after another."""
    numbers = torch.arange(sentences)
    out = {name: [] for name in ("encoder_embedding", "encoder_states", "src_tokens", "src_lengths")}
    out |= {"encoder_out": [numbers.view(1, -1, 1)], "encoder_padding_mask": [numbers.view(-1, 1)]}
    for order in orders:
        if isinstance(order, int):
            order = torch.arange(len(numbers)).repeat_interleave(order)
        else:
            order = torch.tensor(order) % len(numbers)
        numbers = numbers[order]
        out = ENCODER.reorder_encoder_out(out, order)
        for kept in (out["encoder_out"][0].flatten(), out["encoder_padding_mask"][0].flatten()):
            assert kept.repeat_interleave(len(numbers) // len(kept)).tolist() == numbers.tolist()


def test_an_update_on_a_gpu_never_waits_to_see_where_padding_is():
    """On the device `meta` it is an error to look at a value; for a GPU's value an update would have to wait."""
    model = build(embed_context="none", encoder_learned_pos=True, decoder_learned_pos=True)[0].to("meta").train()
    tokens = torch.zeros(3, 7, dtype=torch.long, device="meta")
    assert model.encoder(tokens, None)["encoder_padding_mask"][0].shape == (3, 7)
    for left, shape in ((True, (3, 7)), (False, None)):
        model.decoder.left_pad_target = left
        mask = model.decoder._padding_mask(tokens)
        assert (mask if mask is None else mask.shape) == shape


@pytest.mark.parametrize("options", [
    {"no_cross_attention": True}, {"no_token_positional_embeddings": True}, {"no_scale_embedding": True},
    {"decoder_learned_pos": True, "encoder_learned_pos": True}, {"activation_fn": "gelu"},
    {"share_all_embeddings": False, "adaptive_softmax_cutoff": "20,40"},
    {"share_all_embeddings": False, "encoder_embed_dim": 48}])  # fmt: skip
@torch.no_grad()
def test_models_of_other_shapes_equal_fairseqs_at_once_and_step_by_step(options):
    ours, theirs, _ = beside_fairseqs(dropout=0.0, **options)
    source, target = padded(sentences(5, 8, 3), True), torch.randint(4, SYMBOLS, (3, 6))
    outputs = [model.double().train()(source, None, target)[0] for model in (ours, theirs)]
    assert_close(*outputs)
    encoded, state = ours.eval().encoder(source, None), {}
    for step in range(6):
        got = ours.decoder(target[:, : step + 1], encoder_out=encoded, incremental_state=state)[0]
        assert_close(got[:, -1], outputs[0][:, step])


@torch.no_grad()
def test_a_decoder_projects_from_embeddings_and_to_outputs_of_other_widths():
    model, dictionary = build(embed_context="none", dropout=0.0, share_all_embeddings=False)
    cfg = copy.deepcopy(model.decoder.cfg)
    cfg.decoder.output_dim, cfg.share_decoder_input_output_embed = 20, False
    arguments = cfg, dictionary, torch.nn.Embedding(len(dictionary), 24, PADDING)
    decoders = both(TransformerBBPEDecoder(*arguments), TransformerDecoderBase(*arguments))
    encoded = model.double().encoder(padded(sentences(5, 3), True), None)
    target = torch.randint(4, SYMBOLS, (2, 6))
    features, others = (d(target, encoder_out=encoded, features_only=True)[0] for d in decoders)
    assert features.shape == (2, 6, 20)
    assert_close(features, others)
    assert_close(*(d(target, encoder_out=encoded)[0] for d in decoders))


@torch.no_grad()
@pytest.mark.parametrize("left", [True, False])
def test_a_target_read_as_a_whole_sees_its_future_but_no_padding(left):
    """`full_context_alignment` of Garg et al. (2019): alignments of a target that is known."""
    ours, theirs, _ = beside_fairseqs(dropout=0.0)
    source, target = padded(sentences(5, 8), True), padded(sentences(7, 4), left)
    outputs = []
    for model in (ours, theirs):
        encoded = model.double().train().encoder(source, None)
        outputs.append(model.decoder.extract_features(target, encoded, None, True, 0)[0])
        inner = model.decoder.extract_features(target, encoded)[1]["inner_states"]
        assert [state.shape for state in inner] == [(7, 2, 32)] * 3
    kept = target.ne(PADDING)
    assert_close(outputs[0][kept], outputs[1][kept])


@torch.no_grad()
@pytest.mark.parametrize("padding", [1, 2])
def test_a_target_that_is_padded_by_a_single_symbol_is_that_target_alone(padding):
    model, target = build()[0].eval(), padded(sentences(7, 7 - padding), left=True)
    source = padded(sentences(5, 5), left=True)
    together = model(source, None, target)[0][1, padding:]
    torch.testing.assert_close(together, model(source[1:], None, target[1:, padding:])[0][0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_decoder_without_attention_to_a_source_needs_none_and_has_no_weights():
    models, target = beside_fairseqs(no_cross_attention=True)[:2], torch.randint(4, SYMBOLS, (2, 6))
    mine, theirs = (m.eval().decoder(target, encoder_out=None, alignment_layer=0) for m in models)
    assert mine[1]["attn"] == theirs[1]["attn"] == [None]
    torch.testing.assert_close(mine[0], theirs[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("flags", "wanted"), [({}, False), ({"print_alignment": "hard"}, True)])
def test_generation_computes_weights_for_the_flags_that_print_them(flags, wanted):
    model = build(embed_context="none")[0]
    usual = {"beam": 5, "no_beamable_mm": False, "print_alignment": None, "retain_dropout": False, "replace_unk": None}
    model.prepare_for_inference_(Namespace(generation=Namespace(**{**usual, **flags}), bpe=None))
    tokens = torch.randint(4, SYMBOLS, (2, 6))
    (weights,) = model(tokens, None, tokens)[1]["attn"]
    assert (weights is not None) == wanted


@torch.no_grad()
@pytest.mark.parametrize("training", [True, False])
def test_no_layer_computes_attention_weights_that_nobody_asks_for(training):
    model, computed = build()[0].train(training), []
    for side in ("encoder", "decoder"):
        for name, part in getattr(model, side).named_modules():
            if name.endswith("attn"):
                part.register_forward_hook(lambda _, __, out, at=f"{side}.{name}": computed.append((at, out[1])))
    source, target = padded(sentences(5, 8), True), padded(sentences(4, 4), False)
    for layer, expected in ((None, set()), (0, {"decoder.layers.0.encoder_attn"})):
        computed.clear()
        model(source, None, target, alignment_layer=layer)
        assert len(computed) == 6
        assert {name for name, weights in computed if weights is not None} == expected


@pytest.mark.parametrize(("options", "words"), [
    ({"embed_context": "cnn"}, "--embed-context cnn: give one of none, conv, gru, mixture"),
    ({"embed_context": "conv", "embed_context_kernel": 4}, "--embed-context-kernel 4: give an odd number"),
    ({"embed_context": "conv", "embed_context_kernel": -1}, "--embed-context-kernel -1: give an odd number"),
    ({"embed_context": "gru", "embed_context_layers": 0}, "--embed-context-layers 0: give 1 or more"),
    ({"embed_context": "mixture", "embed_context_layers": 2}, "--embed-context-layers 2: .* is one layer; give 1"),
    ({"embed_context": "mixture", "embed_context_order": "positions-first"}, "positions-first: .* leave it out"),
    ({"embed_context": "mixture", "cross_self_attention": True}, "--cross-self-attention replace"),
])  # fmt: skip
def test_a_context_that_cannot_be_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        build(**options)


@pytest.mark.parametrize(("options", "parameters"), [
    ({"embed_context": "conv", "embed_context_kernel": 1, "embed_context_layers": 3}, 3 * (32 * 1 + 32)),
    ({"embed_context": "conv", "embed_context_kernel": 7}, 32 * 7 + 32),
    ({"embed_context": "gru", "embed_context_layers": 2}, 2 * 2 * 3 * (32 * 16 + 16 * 16 + 2 * 16)),
    ({"embed_context": "none", "embed_context_layers": 0, "embed_context_kernel": 2}, 0),  # settings of another context
    ({"embed_context": "mixture"}, 16 * 5 + sum(16 * 16 * kernel + 16 for kernel in (1, 3, 5, 7))),
])  # fmt: skip
def test_a_context_has_the_kernel_and_the_layers_that_it_is_given(options, parameters):
    counts = [
        sum(parameter.numel() for parameter in build(**each)[0].parameters())
        for each in (options, {"embed_context": "none"})
    ]
    assert counts[0] - counts[1] == parameters
