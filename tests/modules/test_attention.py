"""Attention against equation 1 of "Attention Is All You Need", and its cached steps against the whole."""

import math

import pytest
import torch
from torch import nn

from fairseq_bbpe.modules.attention import MultiheadAttention
from fairseq_bbpe.modules.attention_cache import FIRST_CAPACITY

DIM, HEADS = 12, 3


def attention(rate=0.0, **settings) -> MultiheadAttention:
    torch.manual_seed(0)
    module = MultiheadAttention(DIM, HEADS, nn.Dropout(rate), **settings)
    for projection in (module.k_proj, module.v_proj, module.q_proj, module.out_proj):
        nn.init.normal_(projection.bias)
    return module


def written_out(module, query, key, hidden):
    """`(T, C)` by `(S, C)` of one sentence; hidden `(T, S)`."""
    q, k, v = (p.weight @ x.T + p.bias[:, None] for p, x in
               ((module.q_proj, query), (module.k_proj, key), (module.v_proj, key)))  # fmt: skip
    outs, weights = [], []
    for head in range(HEADS):
        channels = slice(head * DIM // HEADS, (head + 1) * DIM // HEADS)
        scores = q[channels].T @ k[channels] / math.sqrt(DIM // HEADS)
        weights.append(torch.softmax(scores.masked_fill(hidden, -math.inf), 1))
        outs.append(weights[-1] @ v[channels].T)
    return torch.cat(outs, 1) @ module.out_proj.weight.T + module.out_proj.bias, torch.stack(weights)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("padded", ["left", "right", None])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_equation_1(causal, padded, weights, rate):
    module = attention(rate, causal=causal).eval()
    x = torch.randn(5, 2, DIM)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    if padded:
        padding[1, slice(0, 2) if padded == "left" else slice(3, 5)] = True
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    mask = torch.zeros(5, 5).masked_fill(future, -math.inf) if causal else None
    options = {"attn_mask": mask, "need_weights": weights, "need_head_weights": weights}
    out, got = module(x, x, x, key_padding_mask=padding if padded else None, **options)
    assert (got is not None) == weights
    for row in range(2):
        hidden = padding[row] | (future if causal else torch.zeros_like(future))
        seen = ~hidden.all(1)  # a query in left padding sees nothing
        expected, expected_weights = written_out(module, x[:, row], x[:, row], hidden)
        torch.testing.assert_close(out[seen, row], expected[seen], atol=1e-5, rtol=1e-5)
        if weights:
            torch.testing.assert_close(got[:, row][:, seen], expected_weights[:, seen], atol=1e-5, rtol=1e-5)


def test_dropped_weights_are_scaled():
    module = attention(0.5).train()
    module.out_proj.weight.data.copy_(torch.eye(DIM))
    x = torch.randn(40, 6, DIM)
    torch.manual_seed(0)
    mean = torch.stack([module(x, x, x)[0] for _ in range(400)]).mean(0)
    expected = module.eval()(x, x, x)[0]
    assert (mean - expected).abs().mean() < 0.05 * expected.abs().mean()
    first, second = module.train()(x, x, x)[0], module(x, x, x)[0]
    assert (first - second).abs().max() > 0.1


@torch.no_grad()
def test_steps_equal_the_whole_also_after_reordering():
    module = attention(causal=True).eval()
    length = 2 * FIRST_CAPACITY + 3  # past two allocations
    x = torch.randn(length, 4, DIM)
    state = {}
    mask = torch.full((length, length), -math.inf).triu(1)
    orders = {3: [1, 1, 0, 3], 40: [2, 0, 1, 3], 50: [3, 0], 60: [1, 0]}
    for step in range(length):
        out, _ = module(x[step : step + 1], x[step : step + 1], x[step : step + 1], incremental_state=state)
        whole, _ = module(x, x, x, attn_mask=mask)
        torch.testing.assert_close(out[0], whole[step], atol=1e-5, rtol=1e-5)
        if step in orders:
            order = torch.tensor(orders[step])
            module.reorder_incremental_state(state, order)
            x = torch.cat([x[: step + 1, order], torch.randn(length - step - 1, len(order), DIM)])


@torch.no_grad()
@pytest.mark.parametrize("orders", [
    {2: [2, 0, 1, 3, 3, 4], 4: [3, 5, 4], 5: [0, 0, 1]},  # three rows a sentence; the first sentence ends
    {2: [2, 0, 4, 3, 3, 4], 4: [3, 4]},  # rows that leave their sentence
])  # fmt: skip
def test_the_source_is_kept_once_for_the_rows_that_share_it(orders):
    module = attention(key_dim=8).eval()
    source = torch.randn(7, 2, 8)
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[0, :3] = True
    owner = torch.arange(2).repeat_interleave(3)
    state = {}
    for step in range(7):
        x = torch.randn(1, len(owner), DIM)
        options = {"static_kv": True, "need_weights": True, "need_head_weights": True}
        got, weights = module(x, source, source, padding, incremental_state=state, **options)
        if step == 0:
            assert state[module].keys.size(0) == 2
        for row, sentence in enumerate(owner):
            expected, theirs = written_out(module, x[:, row], source[:, sentence], padding[sentence].expand(1, 7))
            torch.testing.assert_close(got[:, row], expected, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(weights[:, row], theirs, atol=1e-5, rtol=1e-5)
        if step in orders:
            order = torch.tensor(orders[step])
            module.reorder_incremental_state(state, order)
            owner = owner[order]


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="5 heads cannot share a width of 12"):
        MultiheadAttention(12, 5, nn.Dropout(0))


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_in_bfloat16_are_those_of_float32(causal):
    module = attention(causal=causal)
    future = torch.zeros(5, 5).masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), -math.inf) if causal else None
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.linspace(-1, 1, 5 * 2 * DIM).reshape(5, 2, DIM).to(dtype).requires_grad_()
        out, _ = module.to(dtype)(x, x, x, key_padding_mask=padding, attn_mask=future)
        out.square().sum().backward()
        assert out.dtype == x.grad.dtype == dtype
        found[dtype] = out.detach().float(), x.grad.float()
    for half, whole in zip(found[torch.bfloat16], found[torch.float32], strict=True):
        assert (half - whole).norm() < 0.02 * whole.norm()
