"""fairseq's label-smoothed cross entropy without the logits of a whole batch in memory: faster, and equal to it."""

import inspect

import torch
from fairseq import utils
from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
)
from fairseq.distributed import FullyShardedDataParallel
from torch import nn

from fairseq_bbpe.modules.linear import Linear
from fairseq_bbpe.modules.loss import smoothed_cross_entropy


@register_criterion("label_smoothed_cross_entropy_blocks", dataclass=LabelSmoothedCrossEntropyCriterionConfig)
class LabelSmoothedCrossEntropyBlocks(LabelSmoothedCrossEntropyCriterion):
    """`label_smoothed_cross_entropy` with its options, value, gradient and log; blocks where the model allows them.

    Blocks need a decoder whose output projection is one matrix, and a model that can return its features. Weights in
    shards are whole only inside the model, distributed training that looks for unused parameters
    (`--find-unused-parameters`) would take the projection for one, and in float16 the loss must be scaled before its
    gradient is taken, which blocks do at once: fairseq's own computation serves there.
    """

    registered_as = "label_smoothed_cross_entropy_blocks"

    def forward(self, model, sample, reduce=True):
        """The summed loss, the divisor of its gradient, and what is logged."""
        projection = _output_projection(model)
        if projection is None or not reduce:
            return super().forward(model, sample, reduce)
        features = model(**sample["net_input"], features_only=True)[0]
        target = sample["target"]
        if self.ignore_prefix_size > 0:
            features, target = (x[:, self.ignore_prefix_size :] for x in (features, target))
        features, target = features.flatten(0, 1), target.flatten()
        # Padding is left out on a CPU; on a GPU the number of rows would have to be waited for.
        kept = target.ne(self.padding_idx)
        if features.device.type == "cpu":
            features, target = features[kept], target[kept]
            kept = None
        loss, nll_loss, correct = smoothed_cross_entropy(
            features, projection.weight, target, self.eps, kept=kept, count_correct=self.report_accuracy
        )
        sample_size = sample["target"].size(0) if self.sentence_avg else sample["ntokens"]
        logging_output = {
            "loss": loss.data,
            "nll_loss": nll_loss.data,
            "ntokens": sample["ntokens"],
            "nsentences": sample["target"].size(0),
            "sample_size": sample_size,
        }
        if self.report_accuracy:
            logging_output["n_correct"] = utils.item(correct)
            logging_output["total"] = utils.item(target.ne(self.padding_idx).sum())
        return loss, sample_size, logging_output


def _output_projection(model) -> nn.Linear | None:
    decoder = getattr(model, "decoder", None)
    projection = getattr(decoder, "output_projection", None)
    suits = (
        isinstance(projection, nn.Linear)
        and type(projection) in (nn.Linear, Linear)
        and projection.bias is None
        and getattr(decoder, "adaptive_softmax", None) is None
        and not isinstance(model, FullyShardedDataParallel)
        and not getattr(model, "find_unused_parameters", False)
        and "features_only" in inspect.signature(type(_unwrapped(model)).forward).parameters
        and projection.weight.dtype != torch.float16
    )
    return projection if suits else None


def _unwrapped(model) -> nn.Module:
    """The model inside whatever distributed training has put around it."""
    while isinstance(inner := getattr(model, "module", None), nn.Module):
        model = inner
    return model
