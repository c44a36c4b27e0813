"""Sub-Batch Normalisation: whose statistics, whose gradients, which bucket (Section 3.5)."""

import pytest
import torch

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.sub_batch_norm import BatchParts, LayerNorm, SubBatchNorm, normalisation


def test_statistics_come_from_the_real_columns_of_the_auxiliary_rows():
    norm = SubBatchNorm(3)
    x = torch.randn(5, 7, 3) * 4 + 2
    real = torch.arange(7)[None] < torch.tensor([[7], [3], [7], [5], [2]])
    seen = torch.cat([x[3, :5], x[4, :2]])  # rows 3 and 4 are auxiliary
    expected = (x - seen.mean(0)) / (seen.var(0, correction=0) + norm.eps).sqrt()
    torch.testing.assert_close(norm(x, BatchParts(real, auxiliary=2)), expected)


def test_without_padding_the_mask_makes_no_difference():
    x = torch.randn(4, 6, 3)
    masked = SubBatchNorm(3)(x, BatchParts(torch.ones(4, 6, dtype=torch.bool), auxiliary=1))
    torch.testing.assert_close(SubBatchNorm(3)(x, BatchParts(auxiliary=1)), masked)


def test_a_main_row_depends_on_no_other_main_row_and_on_auxiliary_rows_through_statistics_alone():
    norm = SubBatchNorm(3)
    x = torch.randn(4, 6, 3, requires_grad=True)
    norm(x, BatchParts(auxiliary=2))[0, 4].square().sum().backward()
    touched = x.grad.abs().sum(-1) > 0
    assert touched[0].tolist() == [False] * 4 + [True, False]  # within its row, only itself: nothing from the future
    assert not touched[1].any()
    assert touched[2:].all()

    # A permutation of the auxiliary columns keeps their statistics, and so the main rows.
    shuffled = x.detach().clone()
    shuffled[2:] = shuffled[2:].reshape(12, 3)[torch.randperm(12)].view(2, 6, 3)
    out = norm(x.detach(), BatchParts(auxiliary=2))
    torch.testing.assert_close(norm(shuffled, BatchParts(auxiliary=2))[:2], out[:2])


def test_evaluation_uses_the_running_statistics_of_each_rows_bucket():
    norm = SubBatchNorm(2, buckets=3)
    for bucket, mean in ((0, -5.0), (2, 5.0)):
        for _ in range(30):
            norm(torch.randn(8, 50, 2) + mean, BatchParts(auxiliary=4, bucket=torch.full((8,), bucket)))
    assert norm.batches_seen.tolist() == [30, 0, 30]
    norm.eval()
    x = torch.zeros(3, 4, 2)
    out = norm(x, BatchParts(bucket=torch.tensor([2, 0, 1])))
    assert (out[0] + 5).abs().max() < 0.5
    assert (out[1] - 5).abs().max() < 0.5
    torch.testing.assert_close(out[2], torch.zeros(4, 2), atol=1e-5, rtol=0)  # never seen: as initialised


def test_the_first_batch_of_a_bucket_sets_its_statistics():
    norm = SubBatchNorm(2)
    x = torch.randn(4, 9, 2) * 3 + 7
    norm(x, BatchParts(auxiliary=3))
    torch.testing.assert_close(norm.running_mean[0], x[1:].mean((0, 1)))
    torch.testing.assert_close(norm.running_var[0], x[1:].var((0, 1), correction=0))


@pytest.mark.parametrize("auxiliary", [0, 4])
def test_a_batch_that_cannot_be_split_is_refused(auxiliary):
    with pytest.raises(UserError, match=f"got 4 rows of which {auxiliary} are auxiliary.*--norm layer"):
        SubBatchNorm(2)(torch.randn(4, 5, 2), BatchParts(auxiliary=auxiliary))


def test_statistics_stay_in_32_bits():
    norm = SubBatchNorm(2).half()
    assert norm.weight.dtype == torch.float16
    assert norm.running_mean.dtype == norm.running_var.dtype == torch.float32
    assert norm(torch.randn(4, 5, 2).half(), BatchParts(auxiliary=2)).dtype == torch.float16


def test_layer_norm_leaves_every_column_to_itself():
    norm = LayerNorm(4)
    x = torch.randn(2, 3, 4, requires_grad=True)
    norm(x, BatchParts(auxiliary=1))[1, 1, 0].backward()
    assert (x.grad.abs().sum(-1) > 0).tolist() == [[False] * 3, [False, True, False]]


def test_unknown_norm():
    with pytest.raises(UserError, match="--norm batch: unknown; choose one of sub_batch, layer"):
        normalisation("batch", 4)
