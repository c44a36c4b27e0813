"""What ByteNet's options and presets give: half precision, refusals, the published sizes."""

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY
from test_bytenet import ARCHITECTURES, build, sentences, shifted, trained, translate

from fairseq_bbpe.errors import UserError


@pytest.mark.parametrize("options", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_half_precision_trains_and_generates(options):
    """bfloat16, as --bf16 makes it; 2% is what 8 bits of mantissa leave after ten layers."""
    torch.manual_seed(1)
    model = trained(build(**options))
    source, previous = sentences([9, 6]), shifted(sentences([12, 8]))
    expected = translate(model, source, previous)
    model.bfloat16()
    logits = translate(model, source, previous)
    assert logits.dtype == torch.bfloat16
    assert (logits - expected).abs().max() < 0.02 * expected.abs().max() + 0.1
    encoded = model.encoder(source)
    state = {}
    for step in range(12):
        stepwise, _ = model.decoder(previous[:, : step + 1], encoded, incremental_state=state)
        assert torch.isfinite(stepwise).all()
    model.train()
    model(source.repeat(2, 1), torch.tensor([9, 6, 9, 6]), previous.repeat(2, 1), num_auxiliary=2)[
        0
    ].float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dilations": "1,two"}, "--dilations 1,two: not integers"),
        ({"dilations": "1,0"}, "--dilations 0: must be at least 1"),
        ({"source_kernel": 4}, "--source-kernel 4: must be odd to have a centre; try 5"),
        ({"target_kernel": 0}, "--target-kernel 0: must be at least 1"),
        ({"norm": "sub_batch", "bucket_longest": 5}, "--bucket-longest 5 is below"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        build(**options)


def test_a_sub_batch_model_refuses_batches_that_are_not_split():
    with pytest.raises(UserError, match="train with --task translation_sub_batch"):
        translate(build(norm="sub_batch"), sentences([9] * 4), shifted(sentences([9] * 4)))


@pytest.mark.parametrize(
    ("arch", "millions"), [("bytenet", 107 + 84), ("bytenet_v2", 269)], ids=["first version", "second version"]
)
def test_presets_have_the_published_sizes(arch, millions):
    """Weights of the convolutions in the residual blocks."""
    with torch.device("meta"):
        defaults = {
            f: getattr(MODEL_DATACLASS_REGISTRY[arch](), f)
            for f in ("channels", "dilations", "bucket_width", "bucket_longest")
        }
        model = build(arch, **defaults)
    weights = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if ".blocks." in name and name.endswith("taps.weight")
    )
    assert weights == pytest.approx(millions * 1e6, rel=0.01)
