"""Products by other ways than torch's: float32 in value and gradient, and only where they are meant to be."""

import pytest
import torch

from fairseq_bbpe.modules import linear as module
from fairseq_bbpe.modules.linear import FEW_ROWS, MIN_OUTPUTS, MIN_ROWS, Columns, linear, prefers_onednn

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("shape", [(MIN_ROWS, 24), (4, MIN_ROWS // 2, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradient_are_float32s(shape, bias, monkeypatch):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)
    assert "OneDNN" in type(_as_float64(shape, 40, bias).grad_fn).__name__


@pytest.mark.parametrize("shape", [(2, 24), (FEW_ROWS, 24), (5, 1, 24), (2, 3, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_few_rows_are_multiplied_the_other_way_around(shape, bias, monkeypatch):
    monkeypatch.setattr(module, "_is_amd", lambda: True)
    out = _as_float64(shape, MIN_OUTPUTS, bias)
    assert out.is_contiguous()
    assert "View" in type(out.grad_fn).__name__  # and not Addmm, as torch's is


def _as_float64(shape, outputs, bias):
    """The product of such an `x`, after comparing it and its gradients with float64's."""
    torch.manual_seed(0)
    tensors = [torch.randn(shape), torch.randn(outputs, 24), *([torch.randn(outputs)] if bias else [])]
    gradient = torch.randn(*shape[:-1], outputs)
    results = []
    for dtype, product in ((torch.float32, linear), (torch.float64, torch.nn.functional.linear)):
        inputs = [t.to(dtype, copy=True).requires_grad_() for t in tensors]
        out = product(*inputs)
        out.backward(gradient.to(dtype))
        results.append([out, *(t.grad for t in inputs)])
    for ours, exact in zip(*results, strict=True):
        assert ours.shape == exact.shape
        assert (ours.double() - exact).norm() / exact.norm() < 1e-6
    return results[0][0]


@needs_onednn
def test_small_products_and_other_types_stay_with_torch(monkeypatch):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)
    monkeypatch.setattr(module, "_product", None)  # to call it would be an error
    weight = torch.randn(8, 8)
    linear(torch.randn(MIN_ROWS - 1, 8), weight)
    linear(torch.randn(MIN_ROWS, 8).bfloat16(), weight.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(MIN_ROWS, 8), weight).dtype == torch.bfloat16


def test_other_sizes_types_and_processors_stay_with_torch(monkeypatch):
    monkeypatch.setattr(module, "_is_amd", lambda: True)
    monkeypatch.setattr(module, "_few_rows", None)  # to call it would be an error
    weight = torch.randn(MIN_OUTPUTS, 8)
    for rows in (0, 1, FEW_ROWS + 1):
        linear(torch.randn(rows, 8), weight)
    linear(torch.randn(2, 8), weight[:-1])
    linear(torch.randn(2, 8).bfloat16(), weight.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(2, 8), weight).dtype == torch.bfloat16
    monkeypatch.setattr(module, "_is_amd", lambda: False)
    linear(torch.randn(2, 8), weight)


@needs_onednn
def test_a_product_that_loses_precision_is_not_taken(monkeypatch):
    monkeypatch.setattr(module, "_is_amd_with_avx512", lambda: True)
    assert prefers_onednn.__wrapped__()
    rough = lambda x, weight: (x.bfloat16() @ weight.bfloat16().t()).float()  # noqa: E731
    monkeypatch.setattr(module, "_product", rough)
    assert not prefers_onednn.__wrapped__()


@pytest.fixture
def not_amd(monkeypatch):
    monkeypatch.setattr(module, "_is_amd", lambda: False)


@pytest.mark.parametrize("rows", [1, 5, 640])
def test_columns_give_the_product_of_the_weight(rows, not_amd):
    x, weight = torch.randn(rows, 24), torch.nn.Parameter(torch.randn(40, 24))
    found = Columns(weight).multiply(x, weight)
    assert found is not None
    torch.testing.assert_close(found.double(), x.double() @ weight.detach().double().t(), rtol=1e-5, atol=1e-5)


def test_columns_of_a_weight_that_has_changed_are_not_used(not_amd):
    x, weight = torch.randn(5, 24), torch.nn.Parameter(torch.randn(40, 24))
    columns = Columns(weight)
    with torch.no_grad():
        weight.mul_(2)
    assert columns.multiply(x, weight) is None
    columns = Columns(weight)
    weight.data = weight.data.clone()  # as `.to()` does
    assert columns.multiply(x, weight) is None


def test_columns_are_of_float32_on_other_processors_than_amds(not_amd, monkeypatch):
    weight = torch.randn(40, 24)
    columns = Columns(weight)
    assert columns.multiply(torch.randn(5, 24).bfloat16(), weight.bfloat16()) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert columns.multiply(torch.randn(5, 24), weight) is None
    assert Columns(weight.bfloat16()).columns is None
    monkeypatch.setattr(module, "_is_amd", lambda: True)
    assert Columns(weight).columns is None
