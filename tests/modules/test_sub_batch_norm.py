"""Sub-Batch Normalisation against NumPy: whose statistics, which columns, which set (Sections 3.5, 6)."""

import numpy as np
import pytest
import torch

from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.sub_batch_norm import LayerNorm, SubBatchNorm, estimate_statistics, normalisation

EPS = 1e-5


def normalised(x, mean, var, weight, bias):
    """Batch normalisation's equation (Ioffe and Szegedy, 2015), which Section 3.5 takes over."""
    return (x - mean) / np.sqrt(var + EPS) * weight + bias


def layer(channels=3, **options) -> SubBatchNorm:
    norm = SubBatchNorm(channels, **options)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    return norm


def affine(norm):
    return norm.weight.detach().numpy(), norm.bias.detach().numpy()


def test_training_normalises_every_row_by_the_symbols_of_the_auxiliary_rows():
    norm = layer()
    # A deviation so small that eps tells, about a mean that 32 bits still hold at that scale.
    x = torch.randn(5, 7, 3) * torch.tensor([4.0, 0.003, 1.0]) + torch.tensor([2.0, 0.01, -3.0])
    lengths = [7, 3, 7, 5, 2]
    mask = torch.arange(7)[None] < torch.tensor(lengths)[:, None]
    auxiliary = np.concatenate([x[3, :5], x[4, :2]]).astype(np.float64)
    expected = normalised(x.numpy(), auxiliary.mean(0), auxiliary.var(0), *affine(norm))
    found = norm(x, BatchParts(mask, num_auxiliary=2)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_padding_all_columns_of_the_auxiliary_rows_count():
    norm = layer()
    x = torch.randn(4, 6, 3)
    auxiliary = x[3:].reshape(-1, 3).numpy()
    expected = normalised(x.numpy(), auxiliary.mean(0), auxiliary.var(0), *affine(norm))
    np.testing.assert_allclose(norm(x, BatchParts(num_auxiliary=1)).detach().numpy(), expected, atol=1e-5)


def test_a_main_row_depends_on_no_other_main_row_and_on_auxiliary_rows_through_statistics_alone():
    norm = SubBatchNorm(3)
    x = torch.randn(4, 6, 3, requires_grad=True)
    norm(x, BatchParts(num_auxiliary=2))[0, 4].square().sum().backward()
    touched = x.grad.abs().sum(-1) > 0
    assert touched[0].tolist() == [False] * 4 + [True, False]  # within its row, only itself: nothing from the future
    assert not touched[1].any()
    assert touched[2:].all()

    # A permutation of the auxiliary columns keeps their statistics, and so the main rows.
    shuffled = x.detach().clone()
    shuffled[2:] = shuffled[2:].reshape(12, 3)[torch.randperm(12)].view(2, 6, 3)
    out = norm(x.detach(), BatchParts(num_auxiliary=2))
    torch.testing.assert_close(norm(shuffled, BatchParts(num_auxiliary=2))[:2], out[:2])


def test_training_leaves_the_statistics_alone():
    norm = SubBatchNorm(3)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    norm(torch.randn(4, 6, 3) + 5, BatchParts(num_auxiliary=2))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_estimated_statistics_are_those_of_all_columns_together():
    norm = layer(buckets=3).train()
    norm.running_mean.fill_(77.0)  # of older weights
    norm.columns_seen.fill_(10)
    batches, columns = [], {0: [], 2: []}
    for number, (rows, length) in enumerate([(4, 9), (2, 5), (3, 7), (6, 2)]):
        x = torch.randn(rows, length, 3) * (number + 1) + 5 * number
        mask = torch.rand(rows, length) < 0.8
        batches.append({"x": x, "batch": BatchParts(mask, statistics=2 * (number % 2))})
        columns[2 * (number % 2)].append(x[mask].numpy().astype(np.float64))
    estimate_statistics(norm, batches)
    assert norm.training
    for bucket, parts in columns.items():
        together = np.concatenate(parts)
        np.testing.assert_allclose(norm.running_mean[bucket].numpy(), together.mean(0), rtol=1e-5)
        np.testing.assert_allclose(norm.running_var[bucket].numpy(), together.var(0), rtol=1e-5)
    assert norm.columns_seen.tolist() == [len(np.concatenate(columns[0])), 0, len(np.concatenate(columns[2]))]

    norm.eval()
    x = torch.randn(2, 4, 3)
    found = norm(x, BatchParts(statistics=torch.tensor([2, 0]))).detach().numpy()
    for row, bucket in enumerate((2, 0)):
        together = np.concatenate(columns[bucket])
        expected = normalised(x[row].numpy(), together.mean(0), together.var(0), *affine(norm))
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
        torch.testing.assert_close(norm(x, BatchParts(statistics=bucket))[row], torch.from_numpy(found[row]))


def test_a_layer_is_estimated_from_what_the_layer_below_it_gives_out():
    below, above = layer(2), layer(2)
    network = torch.nn.ModuleList([below, above])
    network.forward = lambda x: above(below(x, BatchParts()).relu(), BatchParts())
    x = torch.randn(8, 5, 2) + 3
    estimate_statistics(network, [{"x": x}])
    flat = x.reshape(-1, 2).numpy()
    between = np.maximum(normalised(flat, flat.mean(0), flat.var(0), *affine(below)), 0)
    np.testing.assert_allclose(above.running_mean[0].numpy(), between.mean(0), atol=1e-5)
    np.testing.assert_allclose(above.running_var[0].numpy(), between.var(0), rtol=1e-4)
    before = above.running_mean.clone()
    estimate_statistics(network, [])
    assert torch.equal(above.running_mean, before)


def test_half_precision_keeps_every_bit_of_the_statistics():
    for convert in (torch.nn.Module.half, torch.nn.Module.bfloat16, torch.nn.Module.double):
        norm = SubBatchNorm(2)
        norm.running_mean.copy_(torch.tensor([[1000.123, -0.1]]))
        norm.running_var.copy_(torch.tensor([[1e5, 1e-7]]))
        convert(norm).eval()
        assert norm.running_mean.tolist() == torch.tensor([[1000.123, -0.1]]).tolist()
        assert norm.running_var.tolist() == torch.tensor([[1e5, 1e-7]]).tolist()
        assert norm(torch.ones(1, 1, 2, dtype=norm.weight.dtype), BatchParts()).dtype == norm.weight.dtype
    assert SubBatchNorm(2).to("meta").running_mean.is_meta


def test_half_precision_computes_in_32_bits():
    norm = SubBatchNorm(1).eval()
    norm.running_mean.fill_(1000.25)
    norm.running_var.fill_(0.0625)
    x = torch.tensor([1000.0, 1000.5]).view(1, 2, 1)
    expected = (x - 1000.25) / (0.0625 + EPS) ** 0.5
    torch.testing.assert_close(norm.half()(x.half(), BatchParts()).float(), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("rows", [0, 4])
def test_a_batch_that_cannot_be_split_is_refused(rows):
    with pytest.raises(ValueError, match=f"got 4 rows of which {rows} are auxiliary"):
        SubBatchNorm(2)(torch.randn(4, 5, 2), BatchParts(num_auxiliary=rows))


def test_a_checkpoint_of_the_first_release_is_pooled_over_its_source_intervals():
    """It kept statistics for each (source, target) pair of intervals: here of 2 and 2, so 4 sets."""
    mean = torch.tensor([[1.0], [7.0], [5.0], [9.0]])
    var = torch.tensor([[2.0], [3.0], [4.0], [5.0]])
    seen = torch.tensor([30, 0, 10, 0])
    old = {"weight": torch.ones(1), "bias": torch.zeros(1), "batches_seen": seen}
    norm = SubBatchNorm(1, buckets=2)
    norm.load_state_dict({**old, "running_mean": mean, "running_var": var})
    assert norm.running_mean.tolist() == [[(30 * 1 + 10 * 5) / 40], [0]]
    assert norm.running_var.tolist() == [[(30 * (2 + 1) + 10 * (4 + 9)) / 40], [1]]
    assert norm.columns_seen.tolist() == [40, 0]
    single = SubBatchNorm(1)
    single.load_state_dict({**old, "batches_seen": seen[:1], "running_mean": mean[:1], "running_var": var[:1]})
    assert (single.running_mean.item(), single.running_var.item(), single.columns_seen.item()) == (1.0, 2.0, 30)


def test_layer_norm_leaves_every_column_to_itself():
    norm = LayerNorm(4)
    x = torch.randn(2, 3, 4, requires_grad=True)
    norm(x, BatchParts(num_auxiliary=1))[1, 1, 0].backward()
    assert (x.grad.abs().sum(-1) > 0).tolist() == [[False] * 3, [False, True, False]]


def test_unknown_norm():
    with pytest.raises(ValueError, match="unknown normalisation 'batch'; choose one of sub_batch, layer"):
        normalisation("batch", 4)


def test_statistics_of_half_precision_are_collected_in_32_bits_over_all_columns_without_a_mask():
    norm = SubBatchNorm(2)
    x = (torch.randn(6, 50, 2) + 3).bfloat16()
    estimate_statistics(norm, [{"x": x, "batch": BatchParts()}])
    columns = x.float().numpy().reshape(-1, 2)
    np.testing.assert_allclose(norm.running_mean[0].numpy(), columns.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var[0].numpy(), columns.var(0), rtol=1e-4)
    assert norm.columns_seen.tolist() == [300]
    assert norm.columns_seen.dtype == torch.long


def test_statistics_are_estimated_without_dropout():
    network = torch.nn.ModuleList([torch.nn.Dropout(0.5), SubBatchNorm(1)])
    network.forward = lambda x: network[1](network[0](x), BatchParts())
    estimate_statistics(network.train(), [{"x": torch.ones(4, 5, 1)}])
    assert network.training
    assert network[0].training
    assert (network[1].running_mean.item(), network[1].running_var.item()) == (1.0, 0.0)


def test_the_first_releases_sets_are_pooled_channel_by_channel():
    mean, var = torch.randn(9, 2), torch.rand(9, 2)
    seen = torch.tensor([4, 0, 1, 6, 0, 0, 10, 0, 3])  # (source, target) in three intervals each
    norm = SubBatchNorm(2, buckets=3)
    old = {"weight": torch.ones(2), "bias": torch.zeros(2), "batches_seen": seen}
    norm.load_state_dict({**old, "running_mean": mean.half(), "running_var": var.half()})
    for target in range(3):
        sets = [source * 3 + target for source in range(3)]
        weights, total = seen[sets].numpy(), int(seen[sets].sum())
        expected_mean, expected_var = np.zeros(2), np.ones(2)
        if total:
            means, variances = mean[sets].half().float().numpy(), var[sets].half().float().numpy()
            expected_mean = (weights[:, None] * means).sum(0) / total
            expected_var = (weights[:, None] * (variances + (means - expected_mean) ** 2)).sum(0) / total
        np.testing.assert_allclose(norm.running_mean[target].numpy(), expected_mean, atol=1e-6)
        np.testing.assert_allclose(norm.running_var[target].numpy(), expected_var, rtol=1e-5)
    assert norm.columns_seen.tolist() == [20, 0, 4]


def test_a_set_of_the_first_release_with_a_single_column_is_kept():
    old = {"weight": torch.ones(1), "bias": torch.zeros(1), "batches_seen": torch.tensor([0, 0, 1, 0])}
    old |= {"running_mean": torch.full((4, 1), 3.0), "running_var": torch.full((4, 1), 0.5)}
    norm = SubBatchNorm(1, buckets=2)
    norm.load_state_dict(old)
    assert (norm.running_mean.tolist(), norm.running_var.tolist()) == ([[3], [0]], [[0.5], [1]])


def test_a_normalisation_by_its_name():
    norm = normalisation("sub_batch", 4, buckets=3)
    assert isinstance(norm, SubBatchNorm)
    assert norm.running_mean.shape == (3, 4)
    assert normalisation("sub_batch", 4).running_mean.shape == (1, 4)
    assert isinstance(normalisation("layer", 4), LayerNorm)
    assert normalisation("layer", 4).weight.shape == (4,)
