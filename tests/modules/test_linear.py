"""Products by oneDNN: float32 as torch's own, in value and gradient, and only where they are meant to be."""

import pytest
import torch

from fairseq_bbpe.modules import linear as module
from fairseq_bbpe.modules.linear import MIN_ROWS, linear, prefers_onednn

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("shape", [(MIN_ROWS, 24), (4, MIN_ROWS // 2, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradient_are_float32s(shape, bias, monkeypatch):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)
    torch.manual_seed(0)
    tensors = [torch.randn(shape), torch.randn(40, 24), *([torch.randn(40)] if bias else [])]
    gradient = torch.randn(*shape[:-1], 40)
    results = []
    for dtype, product in ((torch.float32, linear), (torch.float64, torch.nn.functional.linear)):
        inputs = [t.to(dtype, copy=True).requires_grad_() for t in tensors]
        out = product(*inputs)
        out.backward(gradient.to(dtype))
        results.append([out, *(t.grad for t in inputs)])
    assert "OneDNN" in type(results[0][0].grad_fn).__name__
    for ours, exact in zip(*results, strict=True):
        assert (ours.double() - exact).norm() / exact.norm() < 1e-6


@needs_onednn
def test_small_products_and_other_types_stay_with_torch(monkeypatch):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)
    monkeypatch.setattr(module, "_product", None)  # to call it would be an error
    weight = torch.randn(8, 8)
    linear(torch.randn(MIN_ROWS - 1, 8), weight)
    linear(torch.randn(MIN_ROWS, 8).bfloat16(), weight.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(MIN_ROWS, 8), weight).dtype == torch.bfloat16


@needs_onednn
def test_a_product_that_loses_precision_is_not_taken(monkeypatch):
    monkeypatch.setattr(module, "_is_amd_with_avx512", lambda: True)
    assert prefers_onednn.__wrapped__()
    rough = lambda x, weight: (x.bfloat16() @ weight.bfloat16().t()).float()  # noqa: E731
    monkeypatch.setattr(module, "_product", rough)
    assert not prefers_onednn.__wrapped__()
