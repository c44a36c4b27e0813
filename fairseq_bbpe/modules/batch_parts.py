"""What the layers of a network must know about a batch besides its activations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class BatchParts:
    """Padding, the auxiliary part, and the statistics that a batch of activations (B, T, C) belongs to.

    Attributes:
        non_pad_mask: (B, T), True where a symbol stands and False on padding; None where nothing is padding.
        num_auxiliary: how many rows, the last of the batch, only provide statistics (Section 3.5); 0 outside training.
        statistics: which of Sub-Batch Normalisation's statistics to use: (B,), one for each row, or one for all rows.
        folded: in generation, scale and shift of each Sub-Batch Normalisation, from `FoldedNorms`.
    """

    non_pad_mask: Tensor | None = None
    num_auxiliary: int = 0
    statistics: Tensor | int = 0
    folded: dict[nn.Module, tuple[Tensor, Tensor]] | None = None

    def main(self, x: Tensor) -> Tensor:
        """The rows of `x` (B, ...) whose predictions count."""
        return x[: x.size(0) - self.num_auxiliary]
