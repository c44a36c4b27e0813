"""The mixture of contexts equals the equations of Huang, Bu and Feng (2025), written out in NumPy by position."""

import numpy as np
import pytest
import torch

from fairseq_bbpe.modules.mixture_of_contexts import MixtureOfContexts

DIM, HEADS, LENGTHS = 6, 3, (7, 1, 4)


def mixture(weights, prefix, x, best=2):
    """Eq. 11 on one head (T, D) of one sentence, its experts told by the names of their weights in a state dict."""
    router = weights[f"{prefix}router.weight"]
    mixed = np.zeros_like(x)
    for t in range(len(x)):
        scores = router @ x[t]  # Eq. 12 before its softmax
        chosen = np.argsort(scores)[-best:]  # Eq. 3
        shares = np.exp(scores[chosen]) / np.exp(scores[chosen]).sum()  # Eq. 2
        for expert, share in zip(chosen, shares, strict=True):
            mixed[t] += share * context(weights, f"{prefix}experts.{expert}", x, t)
    return mixed


def context(weights, name, x, t):
    """Eq. 4: the identity, or a convolution over the columns around t; what lies beyond the sentence is zero."""
    if f"{name}.weight" not in weights:
        return x[t]
    kernel, y = weights[f"{name}.weight"], weights[f"{name}.bias"].copy()
    side = kernel.shape[2] // 2
    for k in range(kernel.shape[2]):
        if 0 <= t + k - side < len(x):
            y += kernel[:, :, k] @ x[t + k - side]
    return y


def padded(left):
    """Noise (B, H, T, D) and its padding mask (B, T), with sentences of LENGTHS in it at the slices that follow."""
    longest = max(LENGTHS)
    x = torch.randn(len(LENGTHS), HEADS, longest, DIM, dtype=torch.double)
    spans = [slice(longest - length, None) if left else slice(length) for length in LENGTHS]
    mask = torch.ones(len(LENGTHS), longest, dtype=torch.bool)
    for row, span in enumerate(spans):
        mask[row, span] = False
    return x, mask, spans


@pytest.mark.parametrize("left", [True, False], ids=["padded left", "padded right"])
@pytest.mark.parametrize("best", [1, 2, 5])
@pytest.mark.parametrize("kernels", [(0, 1, 3, 5, 7), (3, 1, 7, 0, 9)])
def test_it_is_the_papers_equations_and_blind_to_padding(kernels, best, left):
    layer = MixtureOfContexts(DIM, kernels, best).double()
    weights = {name: value.numpy() for name, value in layer.state_dict().items()}
    x, mask, spans = padded(left)
    with torch.no_grad():
        found = layer(x, mask)
    for row, span in enumerate(spans):
        for head in range(HEADS):
            expected = mixture(weights, "", x[row, head, span].numpy(), best)
            np.testing.assert_allclose(found[row, head, span], expected, atol=1e-12)


def test_a_sentence_is_the_same_in_any_batch_with_a_mask_or_alone_without():
    layer = MixtureOfContexts(DIM).double()
    x, mask, spans = padded(left=False)
    together = layer(x, mask)
    for row, span in enumerate(spans):
        alone = layer(x[row : row + 1, :, span])
        torch.testing.assert_close(together[row : row + 1, :, span], alone, atol=1e-12, rtol=0)


def test_gradients_reach_every_kernel_and_the_router():
    layer = MixtureOfContexts(DIM)
    layer(torch.randn(8, HEADS, 20, DIM)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_weights_are_a_distribution_over_the_best():
    weights = MixtureOfContexts(DIM).weights(torch.randn(50, DIM))
    torch.testing.assert_close(weights.sum(-1), torch.ones(50))
    assert ((weights > 0).sum(-1) == 2).all()


def test_unless_told_otherwise_the_experts_and_their_number_are_the_papers():
    layer = MixtureOfContexts(DIM)
    kernels = [0 if isinstance(expert, torch.nn.Identity) else expert.kernel_size[0] for expert in layer.experts]
    assert (kernels, layer.best) == ([0, 1, 3, 5, 7], 2)


def test_it_runs_under_autocast_in_the_narrower_type():
    layer, x = MixtureOfContexts(DIM), torch.randn(2, HEADS, 9, DIM)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.bfloat16())
    assert found.dtype == torch.bfloat16
    # A few positions may choose otherwise where two experts are nearly as good.
    assert (found.float() - expected).abs().median() < 0.01


@pytest.mark.parametrize("kernels", [(2,), (0, 4), (-1, 3)])
def test_a_kernel_that_would_shift_the_sequence_is_refused(kernels):
    with pytest.raises(ValueError, match="is neither odd nor 0"):
        MixtureOfContexts(DIM, kernels)


@pytest.mark.parametrize("best", [0, 6])
def test_what_cannot_be_mixed_is_refused(best):
    with pytest.raises(ValueError, match=f"the best {best} of 5"):
        MixtureOfContexts(DIM, best=best)
