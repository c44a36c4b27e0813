"""The ByteNet Decoder as a language model: what a prediction depends on, streams, and search."""

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fairseq.search import BeamSearch, Sampling
from hypothesis import given, settings
from hypothesis import strategies as st

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.data.byte_file import SPECIALS, byte_dictionary
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models.bytenet_lm import V2, ByteNetLM, ByteNetLMConfig, ByteNetLMDecoder
from fairseq_bbpe.search.byte_stream import continue_bytes, stream_bits

DICTIONARY = byte_dictionary()
SMALL = ByteNetLMConfig(channels=6, sets=1, dilations="1,3", norm="layer")  # sees 9 bytes back


def decoder(cfg=SMALL, **change) -> ByteNetLMDecoder:
    torch.manual_seed(0)
    return ByteNetLMDecoder(replace(cfg, **change), DICTIONARY).double().eval()


def random_ids(*shape) -> torch.Tensor:
    return torch.randint(SPECIALS, SPECIALS + 256, shape)


@pytest.mark.parametrize(
    ("cfg", "bytes_back"),
    [(ByteNetLMConfig(), 1 + 5 * 2 * 31), (V2(), 1 + 6 * 2 * 31), (SMALL, 1 + 2 * 4)],
    ids=["v1", "v2", "small"],
)
def test_a_prediction_depends_on_exactly_the_receptive_field(cfg, bytes_back):
    """In evaluation; 311 bytes in the first version of the paper. The width is no part of the matter."""
    network = decoder(replace(cfg, channels=16))
    assert ByteNetLM(network).receptive_field == bytes_back
    at = bytes_back + 40
    embedded = []
    network.embedding.register_forward_hook(
        lambda _, __, out: embedded.append(out.detach().requires_grad_()) or embedded[0]
    )
    logits, _ = network(random_ids(1, at + 30))
    logits[0, at, SPECIALS:].square().sum().backward()
    read = embedded[0].grad[0].abs().sum(-1).nonzero().flatten().tolist()
    assert read == list(range(at - bytes_back + 1, at + 1))


def test_a_uniform_model_costs_exactly_8_bits():
    network = decoder()
    torch.nn.init.zeros_(network.output.weight)
    torch.nn.init.zeros_(network.output.bias)
    probabilities = network(random_ids(1, 5))[0].softmax(-1)
    assert probabilities[..., :SPECIALS].eq(0).all()
    assert probabilities[..., SPECIALS:].eq(1 / 256).all()
    assert all((bits == 8).all() for bits in stream_bits(network, np.arange(50, dtype=np.uint8), chunk=7))


@torch.no_grad()
@given(skip=st.integers(0, 30), more=st.integers(1, 20))
def test_skipped_predictions_change_no_other(skip, more):
    network = decoder()
    ids = random_ids(2, skip + more)
    torch.testing.assert_close(network(ids, skip=skip)[0], network(ids)[0][:, skip:])


@pytest.mark.parametrize("skip", [3, 12])
@torch.no_grad()
def test_sub_batch_norm_averages_only_columns_that_count(skip):
    """Training under `skip`: valid convolutions, written out, which compute no column from a zero in place of another.

    8 columns are reached back, so with 3 skipped the first columns are those of the window's start, padded with zeros.
    """
    network, auxiliary = decoder(norm="sub_batch", block="relu").train(), 2
    ids = random_ids(5, skip + 9)

    def normalise(x):  # (B, C, T), gains 1 and shifts 0
        var, mean = torch.var_mean(x[-auxiliary:], dim=(0, 2), correction=0, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt()

    def product(conv, x, kernel=1, dilation=1):
        weight = conv.taps.weight.view(-1, kernel, x.size(1)).transpose(1, 2)
        return torch.nn.functional.conv1d(x, weight, conv.taps.bias, dilation=dilation)

    x = network.embedding(ids).transpose(1, 2)
    x = x[:, :, max(0, skip - 8) :]
    wanted = ids.size(1) - skip
    for block, dilation, reach_above in zip(network.network.blocks, (1, 3), (6, 0), strict=True):
        h = product(block.reduce, normalise(x).relu())
        h = normalise(h).relu()
        missing = max(0, min(2 * dilation, wanted + reach_above + 2 * dilation - x.size(2)))
        h = product(block.conv, torch.nn.functional.pad(h, (missing, 0)), 3, dilation)
        x = x[:, :, -h.size(2) :] + product(block.expand, normalise(h).relu())
    assert x.size(2) == wanted
    expected = network.output(normalise(x)[:-auxiliary].relu().transpose(1, 2))
    found, _ = network(ids, skip=skip, num_auxiliary=auxiliary)
    torch.testing.assert_close(found[..., SPECIALS:], expected, atol=1e-5, rtol=0)


def test_operations_of_a_training_window():
    """By hand: a block of d = 6 and kernel 3 has (8 + 4 * 3) d^2 weights, 2 d^2 of them before the convolution."""
    model = ByteNetLM(decoder())
    columns, skip = 20, 12
    # Reaches 2 and 6: columns are read from 12 - 8 = 4, computed from 12 - 6 = 6 and from 12.
    blocks = 36 * (2 * ((columns - 4) + (columns - 6)) + 18 * ((columns - 6) + (columns - 12)))
    output = 256 * 12 * (columns - skip)
    assert model.training_flops(columns, skip) == 3 * 2 * (blocks + output)
    # Of four windows three only give statistics: they go through the blocks, but nothing is predicted for them.
    assert model.training_flops(columns, skip, auxiliary_share=0.75) == 3 * 2 * (4 * blocks + output)


@torch.no_grad()
@given(cuts=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_fairseq_steps_of_any_length_equal_the_whole(cuts):
    network, state = decoder(), {}
    ids = random_ids(3, sum(cuts))
    whole, end = network(ids)[0], 0
    for cut in cuts:
        order = torch.randint(0, 3, (3,))
        ids, whole = ids[order], whole[order]
        network.reorder_incremental_state(state, order)
        step = network(ids[:, : end + cut], incremental_state=state)[0]
        torch.testing.assert_close(step, whole[:, end : end + cut])
        end += cut


@torch.no_grad()
@given(size=st.integers(2, 60), chunk=st.integers(1, 70))
def test_a_stream_costs_what_the_whole_costs(size, chunk):
    network, data = decoder(), np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    ids = torch.from_numpy(data.astype(np.int64) + SPECIALS)
    logits = network(ids[None, :-1])[0][0]
    expected = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none") / math.log(2)
    np.testing.assert_allclose(np.concatenate(list(stream_bits(network, data, chunk))), expected.numpy())


def cost(network, prompt: bytes, continuation: bytes) -> float:
    data = np.frombuffer(prompt + continuation, np.uint8)
    return np.concatenate(list(stream_bits(network, data)))[len(prompt) - 1 :].sum()


@settings(max_examples=10)
@given(prompt=st.binary(min_size=1, max_size=40), chunk=st.integers(1, 50))
def test_a_beam_of_all_bytes_finds_the_likeliest_pair(prompt, chunk):
    network = decoder()
    options = {"rows": 256, "chunk": chunk, "valid_utf8": False}
    found = continue_bytes(network, np.frombuffer(prompt, np.uint8), 2, BeamSearch(DICTIONARY), **options)
    bits, best = found[0]
    assert bits == pytest.approx(cost(network, prompt, best), abs=1e-4)
    # Exhaustive: the log-probabilities of all 65,536 pairs.
    ids = torch.from_numpy(np.frombuffer(prompt, np.uint8).astype(np.int64) + SPECIALS)
    every = torch.cat([ids.expand(256, -1), torch.arange(256)[:, None] + SPECIALS], dim=1)
    with torch.no_grad():
        logs = network(every)[0].log_softmax(-1)
    pairs = logs[:, -2, SPECIALS:][0][:, None] + logs[:, -1, SPECIALS:]
    assert bits == pytest.approx(-pairs.max().item() / math.log(2), abs=1e-4)
    assert [bits for bits, _ in found] == sorted(bits for bits, _ in found)


@pytest.mark.parametrize("options", [(), (5,), (-1, 0.5)], ids=["all", "topk", "topp"])
def test_samples_are_scored_as_drawn_and_repeat_with_the_seed(options):
    network = decoder()
    draws = []
    for _ in range(2):
        torch.manual_seed(7)
        prompt = np.frombuffer(b"any prompt", np.uint8)
        draws.append(continue_bytes(network, prompt, 30, Sampling(DICTIONARY, *options), rows=3))
    assert draws[0] == draws[1]
    assert len({text for _, text in draws[0]}) == 3
    assert all(len(text) == 30 for _, text in draws[0])
    if not options:
        for bits, text in draws[0]:
            assert bits == pytest.approx(cost(network, b"any prompt", text), rel=1e-5)


def test_generation_keeps_nothing_that_grows():
    """Constant cost a byte: rings of a fixed size, whatever the prompt and the length."""
    network, sizes = decoder(), set()
    for prompt, length in itertools.product((b"x", b"long " * 5000), (1, 40)):
        cache = network.network.new_cache()
        network.network.new_cache = lambda cache=cache: cache
        continue_bytes(network, np.frombuffer(prompt, np.uint8), length, BeamSearch(DICTIONARY), rows=2)
        sizes.add(cache.columns.numel())
        del network.network.new_cache
    assert len(sizes) == 1


def test_an_empty_prompt_is_refused():
    with pytest.raises(UserError, match="the prompt is empty: give at least one byte"):
        continue_bytes(decoder(), np.empty(0, np.uint8), 5, BeamSearch(DICTIONARY))


def test_sub_batch_norm_wants_auxiliary_rows():
    network = decoder(norm="sub_batch").train()
    with pytest.raises(UserError, match="--task byte_language_modeling"):
        network(random_ids(4, 20))
    logits, _ = network(random_ids(4, 20), skip=3, num_auxiliary=1)
    assert logits.shape == (3, 17, 260)


def test_compiled_blocks_train_alike(monkeypatch):
    """Traced, with gradients, for windows of any length; the last step, machine code, is a compiler's matter."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    gradients = []
    for compile_blocks in (False, True):
        network = decoder(dilations="1", compile_blocks=compile_blocks).train()
        torch.manual_seed(1)
        ids = random_ids(2, 12)
        for skip in (3, 5):
            network(ids, skip=skip)[0][..., SPECIALS:].square().sum().backward()
        gradients.append({name: weight.grad for name, weight in network.named_parameters()})
        assert not any("compiled" in name for name in network.state_dict())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)
