"""Cross entropy with label smoothing, a block of rows at a time: the logits of all rows are never in memory."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fairseq_bbpe.modules.linear import linear

BLOCK = 512  # rows; their logits should fit into a CPU's cache or fill a GPU


def smoothed_cross_entropy(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    epsilon: float,
    kept: Tensor | None = None,
    count_correct: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The summed loss of logits ``features @ weight.T``, its part without smoothing, and the number of hits.

    With p = softmax(logits) over V symbols and e = epsilon / (V - 1), each row's loss is
    (1 - epsilon - e) (-log p[target]) + e sum over v of (-log p[v]), as in fairseq. Only the first result has a
    gradient, which is computed along with it.

    Shape:
        - features: ``(N, C)``, weight: ``(V, C)``, target: ``(N)``, kept: ``(N)``, False at rows that do not count
        - output: three scalars, the third None unless `count_correct`
    """
    needs_gradient = torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad)
    options = epsilon, needs_gradient, count_correct
    loss, nll, correct = _SmoothedCrossEntropy.apply(features, weight, target, kept, *options)
    return loss, nll, correct if count_correct else None


class _SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, weight, target, kept, epsilon, needs_gradient, count_correct):
        smoothing = epsilon / (weight.size(0) - 1)
        # No views of one tensor: distributed training multiplies a loss by 0 in place.
        loss, nll = (torch.zeros((), device=features.device) for _ in range(2))
        correct = torch.zeros((), dtype=torch.long, device=features.device)
        grad_features = torch.empty_like(features) if needs_gradient else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_gradient else None
        # Written anew by each block: on a CPU, memory of megabytes costs more to get than to fill.
        memory = features.new_empty(2, min(BLOCK, len(features)), len(weight), dtype=torch.float32)
        for start in range(0, len(features), BLOCK):
            block = slice(start, start + BLOCK)
            rows, wanted = features[block], target[block, None]
            logits = linear(rows, weight)
            scores, log_p = memory[:, : len(rows)]
            scores = logits if logits.dtype == scores.dtype else scores.copy_(logits)
            torch.log_softmax(scores, dim=-1, out=log_p)
            if kept is not None:
                log_p.masked_fill_(~kept[block, None], 0)
            block_nll = -log_p.gather(1, wanted).sum()
            nll += block_nll
            loss += (1 - epsilon - smoothing) * block_nll - smoothing * log_p.sum()
            if count_correct:
                hits = logits.argmax(1, keepdim=True).eq(wanted)
                correct += (hits if kept is None else hits & kept[block, None]).sum()
            if needs_gradient:
                # d loss / d logit = p - e, and at the target 1 - epsilon - e less.
                error = log_p.exp_().sub_(smoothing)
                error.scatter_add_(1, wanted, error.new_full(wanted.shape, epsilon + smoothing - 1))
                if kept is not None:
                    error.masked_fill_(~kept[block, None], 0)
                error = error if error.dtype == logits.dtype else logits.copy_(error)
                grad_features[block] = linear(error, weight.t())
                grad_weight += error.t() @ rows
        ctx.save_for_backward(grad_features, grad_weight)
        ctx.dtype = weight.dtype
        ctx.mark_non_differentiable(nll, correct)
        return loss, nll, correct

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, *_):
        grad_features, grad_weight = ctx.saved_tensors
        scaled = (gradient * grad_weight).to(ctx.dtype)
        return (gradient * grad_features).to(grad_features.dtype), scaled, *[None] * 5
