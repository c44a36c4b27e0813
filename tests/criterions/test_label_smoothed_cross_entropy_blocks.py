"""Our criterion beside fairseq's: value, gradient, divisor and log of the same batch on the same model."""

from argparse import Namespace

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.criterions.label_smoothed_cross_entropy_blocks import LabelSmoothedCrossEntropyBlocks
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE

ARCH = "transformer_bbpe_ctx_tiny"


def build(**options):
    dictionary = Dictionary()
    for symbol in range(60):
        dictionary.add_symbol(str(symbol))
    sizes = {f"{side}_{name}": 16 for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")}
    args = Namespace(arch=ARCH, dropout=0.0, **sizes, **options)
    ARCH_CONFIG_REGISTRY[ARCH](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return TransformerBBPE.build_model(args, task), task


def batch():
    tokens = torch.randint(4, 64, (3, 9))
    target = torch.randint(4, 64, (3, 7))
    target[0, 5:] = target[2, 3:] = 1
    previous = torch.cat([torch.full((3, 1), 2), target[:, :-1]], dim=1)
    net_input = {"src_tokens": tokens, "src_lengths": torch.full((3,), 9), "prev_output_tokens": previous}
    return {"net_input": net_input, "target": target, "ntokens": int(target.ne(1).sum())}


@pytest.mark.parametrize("options", [{"share_all_embeddings": True}, {}])
@pytest.mark.parametrize("settings", [{}, {"report_accuracy": True}, {"ignore_prefix_size": 2}])
@pytest.mark.parametrize("reduce", [True, False])
def test_equals_fairseqs(options, settings, reduce):
    torch.manual_seed(1)
    model, task = build(**options)
    model.train()
    sample = batch()
    results = []
    for criterion in (LabelSmoothedCrossEntropyCriterion, LabelSmoothedCrossEntropyBlocks):
        model.zero_grad()
        loss, size, log = criterion(task, False, 0.1, **settings)(model, sample, reduce=reduce)
        loss.sum().backward()
        results.append((loss.detach(), size, log, [p.grad.clone() for p in model.parameters()]))
    theirs, ours = results
    torch.testing.assert_close(ours[0], theirs[0])
    assert ours[1] == theirs[1]
    assert ours[2].keys() == theirs[2].keys()
    for key, value in theirs[2].items():
        torch.testing.assert_close(torch.as_tensor(ours[2][key]).float(), torch.as_tensor(value).float())
    for a, b in zip(ours[3], theirs[3], strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_fairseq_may_multiply_the_loss_by_0_in_place():
    """As it does with the batch of a process that has none left at the end of an epoch."""
    model, task = build(share_all_embeddings=True)
    loss, _, _ = LabelSmoothedCrossEntropyBlocks(task, False, 0.1)(model, batch())
    loss *= 0
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(not gradient.any() for gradient in gradients)


def test_a_whole_batch_of_logits_is_never_made(monkeypatch):
    torch.manual_seed(1)
    model, task = build(share_all_embeddings=True)
    monkeypatch.setattr(model.decoder.output_projection, "forward", None)  # to call it would be an error
    loss, _, _ = LabelSmoothedCrossEntropyBlocks(task, False, 0.1)(model, batch())
    assert loss.item() > 0


class NoFeatures(TransformerBBPE):
    """As fairseq's `transformer_align`, which returns logits alone."""

    def forward(self, src_tokens, src_lengths, prev_output_tokens):
        return super().forward(src_tokens, src_lengths, prev_output_tokens)


@pytest.mark.parametrize(
    "change", [{"find_unused_parameters": True}, {"__class__": NoFeatures}], ids=["unused", "no features"]
)
def test_where_blocks_do_not_serve_fairseqs_computation_does(change):
    """Distributed training that looks for unused parameters sees only what `forward` has used."""
    torch.manual_seed(1)
    model, task = build(share_all_embeddings=True)
    calls = []
    model.decoder.output_projection.register_forward_hook(lambda *_: calls.append(1))
    ours = LabelSmoothedCrossEntropyBlocks(task, False, 0.1)
    sample, losses = batch(), []
    for _ in range(2):
        losses.append(ours(model.eval(), sample)[0])
        for name, value in change.items():
            setattr(model, name, value)
    assert len(calls) == 1
    torch.testing.assert_close(*losses)
