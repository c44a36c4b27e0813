"""The decoder: the same as fairseq's with the same weights, and step by step the same as all at once."""

from argparse import Namespace

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from fairseq.sequence_generator import SequenceGenerator
from random_filters import with_random_filters

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.search.beam_search import BeamSearchGenerator

SYMBOLS, PADDING, EOS = 60, 1, 2


def build(arch="transformer_bbpe_ctx_tiny", **options):
    dictionary = Dictionary()
    for symbol in range(SYMBOLS):
        dictionary.add_symbol(str(symbol))
    sizes = {f"{side}_{name}": 32 for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")}
    sizes |= {f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    args = Namespace(arch=arch, **{"share_all_embeddings": True, **sizes, **options})
    ARCH_CONFIG_REGISTRY[arch](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    torch.manual_seed(0)
    model = with_random_filters(ARCH_MODEL_REGISTRY[arch].build_model(args, task))
    for parameter in model.parameters():  # far from a new model's even distribution
        parameter.data.mul_(2)
    return model, dictionary


def padded(sentences, left: bool):
    width = max(map(len, sentences))
    batch = torch.full((len(sentences), width), PADDING)
    for row, sentence in zip(batch, sentences, strict=True):
        row[slice(width - len(sentence), width) if left else slice(0, len(sentence))] = sentence
    return batch


def sentences(*lengths):
    return [torch.randint(4, SYMBOLS, (length,)) for length in lengths]


def beside_fairseqs(**options):
    """Our model without context, and fairseq's with the same weights."""
    (ours, dictionary), (theirs, _) = build(embed_context="none", **options), build("transformer", **options)
    state = ours.state_dict()
    missing, unexpected = torch.nn.Module.load_state_dict(theirs, state, strict=False)
    assert not unexpected
    assert not missing
    return ours, theirs, dictionary


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("left_source", [True, False])
@pytest.mark.parametrize("left_target", [True, False])
@pytest.mark.parametrize("options", [
    {}, {"encoder_normalize_before": True, "decoder_normalize_before": True, "layernorm_embedding": True}])  # fmt: skip
def test_equals_fairseqs(training, left_source, left_target, options):
    ours, theirs, _ = beside_fairseqs(dropout=0.0, **options)
    source, target = padded(sentences(5, 8, 3), left_source), padded(sentences(7, 2, 4), left_target)
    outputs = [model.train(training)(source, None, target)[0] for model in (ours, theirs)]
    kept = target.ne(PADDING)
    torch.testing.assert_close(outputs[0][kept], outputs[1][kept], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("context", ["none", "conv", "gru", "mixture"])
@pytest.mark.parametrize("left", [True, False])
def test_steps_equal_the_whole_also_after_reordering(context, left):
    model = build(embed_context=context)[0].eval()
    source = padded(sentences(5, 8, 3), left)
    encoder_out = model.encoder(source, None)
    encoder_out = model.encoder.reorder_encoder_out(encoder_out, torch.arange(3).repeat_interleave(2))
    assert encoder_out["encoder_out"][0].size(1) == 3  # not repeated
    owner = torch.arange(3).repeat_interleave(2)
    tokens, state = torch.randint(4, SYMBOLS, (6, 1)), {}
    orders = {2: [1, 0, 2, 2, 5, 4], 4: [1, 1, 5, 4], 6: [0, 0, 2, 3], 7: [3, 2]}
    for step in range(10):
        got = model.decoder(tokens, encoder_out=encoder_out, incremental_state=state)[0][:, -1]
        whole = model(source[owner], None, tokens)[0][:, -1]
        torch.testing.assert_close(got, whole, atol=1e-4, rtol=1e-4)
        if step in orders:
            order = torch.tensor(orders[step])
            tokens, owner = tokens[order], owner[order]
            model.decoder.reorder_incremental_state_scripting(state, order)
            encoder_out = model.encoder.reorder_encoder_out(encoder_out, order)
        tokens = torch.cat([tokens, torch.randint(4, SYMBOLS, (len(tokens), 1))], 1)


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("ensemble", [1, 2])
@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("prepared", [True, False])
def test_generation_equals_fairseqs(beam, left, ensemble, prefix, prepared):
    ours, theirs, dictionary = beside_fairseqs()
    ours.decoder.output_projection.weight.data[EOS] += 0.1  # some sentences end before others; tied weights
    theirs.load_state_dict(ours.state_dict(), strict=False)
    if prepared:  # as all of fairseq's commands prepare a model
        ours.decoder.make_generation_fast_()
    source = padded(sentences(5, 8, 3, 6), left)
    sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(PADDING).sum(1)}}
    given = torch.randint(4, SYMBOLS, (4, 2)) if prefix else None
    results = []
    for model, kind in ((ours, BeamSearchGenerator), (theirs, SequenceGenerator)):
        generator = kind([model.eval()] * ensemble, dictionary, beam_size=beam, max_len_b=12)
        results.append(generator.generate([model], sample, prefix_tokens=given))
    for mine, other in zip(*results, strict=True):
        assert [h["tokens"].tolist() for h in mine] == [h["tokens"].tolist() for h in other]
        for a, b in zip(mine, other, strict=True):
            torch.testing.assert_close(a["positional_scores"], b["positional_scores"], atol=1e-4, rtol=0)


def test_weights_are_there_where_they_are_asked_for():
    ours, theirs, _ = beside_fairseqs()
    source, target = padded(sentences(5, 8), True), padded(sentences(4, 4), False)
    for model in (ours.eval(), theirs.eval()):
        model.encoder_out = model.encoder(source, None)
    assert ours(source, None, target)[1]["attn"] == [None]
    for options in ({"alignment_layer": 0}, {"alignment_layer": 1, "alignment_heads": 1}):
        (mine,), (other,) = (m(source, None, target, **options)[1]["attn"] for m in (ours, theirs))
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)
    generation = Namespace(beam=5, no_beamable_mm=False, print_alignment="hard", retain_dropout=False)
    ours.prepare_for_inference_(Namespace(generation=generation, bpe=None))
    torch.testing.assert_close(
        ours(source, None, target)[1]["attn"][0], theirs(source, None, target)[1]["attn"][0], atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_embeddings_are_dropped_in_training(side):
    """Residual dropout is applied to the sums of embeddings and positions, of both sides (Vaswani et al., 5.4)."""
    model, _ = build(dropout=0.0, embed_context="none")
    source, target = padded(sentences(5, 5), left=False), padded(sentences(4, 4), left=False)
    getattr(model, side).dropout_module.p = 1.0  # nothing of them is left
    for training in (True, False):
        model.train(training)
        other_source = source.flip(1) if side == "encoder" else source
        other_target = target.flip(1) if side == "decoder" else target
        same = torch.equal(model(source, None, target)[0], model(other_source, None, other_target)[0])
        assert same == training
