"""Dilated convolutions: what each column depends on, step by step against all at once, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.conv_cache import ConvCache
from fairseq_bbpe.modules.masked_conv import CentredConv, MaskedConv

ALL_REAL = BatchParts()


def columns_read(conv, length, at):
    """Which input columns the output column `at` depends on."""
    x = torch.randn(1, length, 4, requires_grad=True)
    conv(x, ALL_REAL)[0, at].sum().backward()
    return set(x.grad[0].abs().sum(-1).nonzero().flatten().tolist())


@given(kernel=st.integers(1, 5), dilation=st.integers(1, 6), at=st.integers(0, 19))
def test_masked_conv_reads_exactly_its_taps(kernel, dilation, at):
    taps = {at - i * dilation for i in range(kernel)}
    assert columns_read(MaskedConv(4, 3, kernel, dilation), 20, at) == {t for t in taps if t >= 0}


@given(side=st.integers(0, 2), dilation=st.integers(1, 6), at=st.integers(0, 19))
def test_centred_conv_reads_exactly_its_taps(side, dilation, at):
    taps = {at + i * dilation for i in range(-side, side + 1)}
    assert columns_read(CentredConv(4, 3, 2 * side + 1, dilation), 20, at) == {t for t in taps if 0 <= t < 20}


def test_masked_conv_equals_torch_conv1d():
    conv = MaskedConv(4, 6, kernel=3, dilation=4)
    x = torch.randn(2, 17, 4)
    weight = conv.taps.weight.view(6, 3, 4).permute(0, 2, 1)  # O x k x I -> O x I x k
    padded = torch.nn.functional.pad(x.transpose(1, 2), (8, 0))
    expected = torch.nn.functional.conv1d(padded, weight, conv.taps.bias, dilation=4).transpose(1, 2)
    torch.testing.assert_close(conv(x, ALL_REAL), expected)


def test_padding_never_reaches_a_real_column():
    conv = CentredConv(4, 3, kernel=5, dilation=2)
    x = torch.randn(1, 6, 4)
    padded = torch.cat([x, 100 * torch.randn(1, 5, 4)], dim=1)
    real = torch.arange(11)[None] < 6
    torch.testing.assert_close(conv(padded, BatchParts(non_pad_mask=real))[:, :6], conv(x, ALL_REAL))


@settings(deadline=None, max_examples=50)
@given(data=st.data(), kernel=st.integers(1, 4), dilations=st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_chunks_equal_the_whole_also_after_reordering(data, kernel, dilations):
    """Several convolutions in one cache, any cut into chunks, any choice of surviving rows between them.

    Single columns come as a chunk of one or as a step, which is quicker.
    """
    convs = [MaskedConv(3, 2, kernel, dilation) for dilation in dilations]
    cache = ConvCache(convs if kernel > 1 else [], channels=3)
    rows = data.draw(st.integers(1, 4))
    history = torch.zeros(rows, 0, 3)
    for length in data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=12)):
        chunk = torch.randn(history.size(0), length, 3)
        history = torch.cat([history, chunk], dim=1)
        as_a_step = length == 1 and kernel > 1 and data.draw(st.booleans())
        with torch.no_grad():
            slots = cache.slots(chunk) if as_a_step else {}
            for number, conv in enumerate(convs):  # each has another input, as in a network
                if as_a_step:
                    column = chunk.flatten() if len(chunk) == 1 else chunk.squeeze(1)
                    found = conv.column_step()(column * 2**number, slots, ALL_REAL).view(-1, 1, 2)
                else:
                    found = conv(chunk * 2**number, ALL_REAL, cache)
                torch.testing.assert_close(found, conv(history * 2**number, ALL_REAL)[:, -length:])
        cache.advance(length)
        alive = data.draw(st.integers(1, history.size(0)))
        order = torch.tensor(data.draw(st.lists(st.integers(0, history.size(0) - 1), min_size=alive, max_size=alive)))
        history = history[order]
        cache.reorder(order)


@torch.no_grad()
@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("rows", [1, 3])
def test_single_columns_equal_the_whole(kernel, rows):
    convs = [MaskedConv(5, 2, kernel, dilation) for dilation in (1, 3)]
    steps = [conv.column_step() for conv in convs]
    cache = ConvCache(convs, channels=5)
    x = torch.randn(rows, 25, 5)
    expected = [conv(x, ALL_REAL) for conv in convs]
    for time, column in enumerate(x.unbind(1)):
        slots = cache.slots(column)
        for step, whole in zip(steps, expected, strict=True):
            found = step(column.flatten() if rows == 1 else column, slots, ALL_REAL)
            torch.testing.assert_close(found.view(rows, 2), whole[:, time])
        cache.advance(1)


@torch.no_grad()
def test_a_cache_is_one_tensor_of_the_columns_that_are_still_read():
    convs = [MaskedConv(3, 2, kernel=3, dilation=dilation) for dilation in (1, 4)]
    cache = ConvCache(convs, channels=3)
    steps = [conv.column_step() for conv in convs]
    for _ in range(30):
        column = torch.randn(5, 3)
        slots = cache.slots(column)
        for step in steps:
            step(column, slots, ALL_REAL)
        cache.advance(1)
        assert cache.columns.shape == (5, 2 * 1 + 2 * 4, 3)
    before = cache.columns
    cache.reorder(torch.tensor([4, 0, 0, 1, 2]))
    torch.testing.assert_close(cache.columns, before[[4, 0, 0, 1, 2]])


def test_a_cache_serves_one_kernel():
    with pytest.raises(ValueError, match=r"one kernel, got \[2, 3\]"):
        ConvCache([MaskedConv(1, 1, kernel=2), MaskedConv(1, 1, kernel=3)], channels=1)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: CentredConv(2, 2, kernel=4), "kernel 4: must be odd to have a centre"),
        (lambda: CentredConv(2, 2, kernel=0), "kernel 0: must be odd"),
        (lambda: MaskedConv(2, 2, kernel=0), "kernel 0: must be at least 1"),
        (lambda: MaskedConv(2, 2, kernel=3, dilation=0), "dilation 0: must be at least 1"),
    ],
)
def test_impossible_shapes_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()
