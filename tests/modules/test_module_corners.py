"""Corners of the layers that whole models do not turn: orders of sentences, averaged weights, mixed statistics."""

import torch

from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.modules.attention_cache import sentence_order
from fairseq_bbpe.modules.folded_norms import FoldedNorms
from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm


def test_rows_of_more_sentences_than_a_beam_has_rows_are_grouped_by_sentence():
    assert sentence_order(torch.tensor([3, 2, 5, 5, 0, 1]), sentences=3, rows=6).tolist() == [1, 2, 0]
    assert sentence_order(torch.tensor([1, 0, 2, 3, 5, 4]), sentences=3, rows=6) is None
    assert sentence_order(torch.tensor([0, 2, 1, 3, 4, 5]), sentences=3, rows=6).tolist() == [0, 1, 0, 1, 2, 2]


def test_weights_without_heads_are_the_mean_over_them():
    torch.manual_seed(0)
    attention = MultiheadAttention(12, 3, torch.nn.Dropout(0.0))
    x = torch.randn(5, 2, 12)
    by_head = attention(x, x, x, need_weights=True, need_head_weights=True)[1]
    mean = attention(x, x, x, need_weights=True)[1]
    assert by_head.shape == (3, 2, 5, 5)
    torch.testing.assert_close(mean, by_head.mean(0))


def test_rows_of_any_statistics_in_any_order_are_normalised_by_their_own():
    torch.manual_seed(0)
    network = torch.nn.ModuleList([SubBatchNorm(3, buckets=5), SubBatchNorm(2, buckets=5)]).eval()
    for norm in network:
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.5, 2)
    rows = torch.tensor([4, 1, 4, 0])
    folded = FoldedNorms(network, rows).of_rows(rows)
    for norm in network:
        scale, shift = folded[norm]
        for row, number in enumerate(rows.tolist()):
            deviation = (norm.running_var[number] + norm.eps).sqrt()
            expected = norm.weight / deviation, norm.bias - norm.weight * norm.running_mean[number] / deviation
            torch.testing.assert_close((scale[row, 0], shift[row, 0]), expected)
