"""Residual blocks and their stack: receptive field by gradients, step by step, parameter counts, errors."""

import itertools

import pytest
import torch

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.masked_conv import CentredConv, DilatedConv, MaskedConv
from fairseq_bbpe.modules.residual_blocks import BLOCKS, MultiplicativeUnit, ResidualStack
from fairseq_bbpe.modules.sub_batch_norm import NORMS, LayerNorm, SubBatchNorm, estimate_statistics

VARIANTS = list(itertools.product(BLOCKS, NORMS))


def trained(stack, buckets=1):
    """A stack in evaluation whose statistics are not the initial ones."""
    width = 2 * next(b.reduce.taps.out_features for b in stack.blocks)
    batches = []
    for bucket in range(buckets):
        parts = BatchParts(statistics=bucket)
        batches.append({"x": torch.randn(4, 40, width) * 2 + 1, "batch": parts})
    estimate_statistics(stack, batches)
    return stack.eval()


def columns_read(stack, at):
    """Which of 45 columns output column `at` depends on; 20 random inputs, for a ReLU may cut a path in one of them."""
    x = torch.randn(20, 45, 16, dtype=torch.double, requires_grad=True)
    stack(x, BatchParts())[:, at].sum().backward()
    return set(x.grad.abs().sum((0, 2)).nonzero().flatten().tolist())


@pytest.mark.parametrize(("block", "norm"), VARIANTS)
def test_a_masked_column_depends_on_exactly_its_receptive_field(block, norm):
    stack = trained(ResidualStack(8, sets=2, kernel=3, dilations=(1, 2, 4), block=block, norm=norm)).double()
    assert stack.receptive_field == 1 + 2 * 2 * 7
    assert columns_read(stack, at=35) == set(range(35 - stack.receptive_field + 1, 36))


@pytest.mark.parametrize(("block", "norm"), VARIANTS)
def test_a_centred_column_depends_on_exactly_the_columns_its_kernels_reach(block, norm):
    stack = ResidualStack(8, sets=1, kernel=5, dilations=(1, 2, 4), block=block, norm=norm, masked=False)
    stack = trained(stack).double()
    side = 2 * 7
    assert columns_read(stack, at=20) == set(range(20 - side, 20 + side + 1))


@pytest.mark.parametrize("rows", [1, 4])  # a vector is multiplied in a way of its own
@pytest.mark.parametrize(("block", "norm"), VARIANTS)
@torch.no_grad()
def test_step_by_step_equals_the_whole_after_random_reorderings(block, norm, rows):
    stack = ResidualStack(8, sets=2, kernel=3, dilations=(1, 2, 4), block=block, norm=norm, buckets=3)
    trained(stack, buckets=3)
    bucket = torch.tensor([0, 1, 2, 1])[-rows:]
    history, cache = torch.zeros(rows, 0, 16), stack.new_cache()
    for columns in [1] * 25 + [7, 1, 1, 40, 1]:
        new = torch.randn(rows, columns, 16)
        history = torch.cat([history, new], dim=1)
        batch = BatchParts(statistics=bucket)
        torch.testing.assert_close(
            stack(new, batch, cache), stack(history, batch)[:, -columns:], atol=1e-5, rtol=0, msg=f"at {cache.step}"
        )
        order = torch.randint(0, rows, (rows,))
        history, bucket = history[order], bucket[order]
        cache.reorder(order)


@pytest.mark.parametrize("norm", NORMS)
def test_a_main_row_depends_on_auxiliary_rows_only_with_sub_batch_norm(norm):
    stack = ResidualStack(8, sets=1, kernel=3, dilations=(1, 2), norm=norm)
    x = torch.randn(4, 12, 16, requires_grad=True)
    stack(x, BatchParts(num_auxiliary=2))[0].sum().backward()
    touched = x.grad.abs().sum((1, 2)) > 0
    assert touched.tolist() == [True, False, norm == "sub_batch", norm == "sub_batch"]


@pytest.mark.parametrize("norm", NORMS)
@torch.no_grad()
def test_padding_never_reaches_a_real_column(norm):
    stack = trained(ResidualStack(8, sets=2, kernel=5, dilations=(1, 2), norm=norm, masked=False))
    x = torch.randn(1, 9, 16)
    padded = torch.cat([x, torch.full((1, 6, 16), 30.0)], dim=1)
    batch = BatchParts(non_pad_mask=torch.arange(15)[None] < 9)
    torch.testing.assert_close(stack(padded, batch)[:, :9], stack(x, BatchParts()), atol=1e-5, rtol=0)


def convolution_weights(stack):
    return sum(module.taps.weight.numel() for module in stack.modules() if isinstance(module, DilatedConv))


@pytest.mark.parametrize(
    ("millions", "d", "sets", "kernel", "masked"),
    [(107, 892, 3, 5, False), (84, 892, 3, 3, True), (269 / 2, 800, 6, 3, False), (269 / 2, 800, 6, 3, True)],
    ids=["first version, source", "first version, target", "second version, source", "second version, target"],
)
def test_published_sizes(millions, d, sets, kernel, masked):
    """First version 107 M + 84 M; the second's 269 M are its two networks of 30 blocks together."""
    with torch.device("meta"):
        stack = ResidualStack(d, sets, kernel, masked=masked)
    assert convolution_weights(stack) == pytest.approx(millions * 1e6, rel=0.01)
    assert stack.receptive_field == 1 + sets * (kernel - 1) * 31


def test_receptive_field_of_the_language_model():
    with torch.device("meta"):
        assert ResidualStack(892, sets=5, kernel=3, block="multiplicative").receptive_field == 311


@torch.no_grad()
def test_multiplicative_unit_is_the_equation_written_with_four_convolutions():
    unit = MultiplicativeUnit(4, kernel=3, dilation=2, norm="layer")
    x = torch.randn(2, 9, 4)
    h = unit.norm(x, BatchParts())
    padded = torch.nn.functional.pad(h.transpose(1, 2), (4, 0))
    convolved = [
        torch.nn.functional.conv1d(padded, weight.view(4, 3, 4).permute(0, 2, 1), bias, dilation=2).transpose(1, 2)
        for weight, bias in zip(unit.gates.taps.weight.chunk(4), unit.gates.taps.bias.chunk(4), strict=True)
    ]
    g1, g2, g3, u = convolved
    sigmoid, tanh = torch.sigmoid, torch.tanh
    torch.testing.assert_close(unit(x, BatchParts()), sigmoid(g1) * tanh(sigmoid(g2) * h + sigmoid(g3) * tanh(u)))


@pytest.mark.parametrize("block", [*BLOCKS.values(), MultiplicativeUnit])
def test_a_block_is_masked_and_has_layer_norm_and_one_set_of_statistics_unless_told_otherwise(block):
    parts = [type(part) for part in block(4, 3, 1).modules()]
    assert MaskedConv in parts
    assert LayerNorm in parts
    assert not {CentredConv, SubBatchNorm}.intersection(parts)
    sets = [len(part.columns_seen) for part in block(4, 3, 1, "sub_batch").modules() if isinstance(part, SubBatchNorm)]
    assert set(sets) == {1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block": "gated"}, "block gated: unknown; choose one of relu, multiplicative"),
        ({"dilations": ()}, "dilations: empty"),
        ({"dilations": (1, 0)}, "dilation 0: must be at least 1"),
        ({"kernel": 2, "masked": False}, "kernel 2: must be odd to have a centre; try 3"),
        ({"norm": "batch"}, "normalisation .batch."),
    ],
)
def test_impossible_stacks_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ResidualStack(**{"d": 4, "sets": 1, "kernel": 3} | options)
