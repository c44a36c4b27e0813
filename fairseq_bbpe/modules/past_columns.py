"""What a causal network remembers between two generation steps: rings of past columns that a beam reorders for free."""

from __future__ import annotations

import torch
from torch import Tensor


class PastColumns:
    """The past of every hypothesis, for all masked convolutions of one network (Section 3.2, one step at a time).

    Each convolution keeps only the columns it can still reach, in a ring that is allocated once. When the beam is
    reordered no column moves: `rows[t % span, b]` says in which row hypothesis `b`'s column of time `t` lies, and this
    one small table is shared by all rings. A step therefore costs the same at position 1 and at position 1,000.

    Args:
        span: the longest reach back of any convolution, (kernel - 1) * dilation columns.
    """

    def __init__(self, span: int) -> None:
        self.span = max(span, 1)
        self.step = 0
        self.rows: Tensor | None = None  # (span, B)
        self.rings: dict[object, Tensor] = {}  # convolution -> (reach, B, C)

    def taps(self, owner: object, x: Tensor, kernel: int, dilation: int) -> Tensor:
        """Append to each new column of `x` (B, T, C) the earlier ones that `owner` reads: (B, T, kernel * C)."""
        reach = (kernel - 1) * dilation
        if reach == 0:
            return x
        batch, new, channels = x.shape
        if owner not in self.rings:
            self.rings[owner] = x.new_zeros(reach, batch, channels)
        if self.rows is None:
            self.rows = torch.arange(batch, device=x.device).repeat(self.span, 1)
        ring = self.rings[owner]
        assert batch <= ring.size(1), "a generation step cannot have more rows than the first one"

        if new == 1:
            times = [self.step - age * dilation for age in range(kernel - 1, 0, -1)]
            past = [ring[t % reach].index_select(0, self.rows[t % self.span]) for t in times]
            ring[self.step % reach, :batch] = x[:, 0]  # replaces the oldest column, which was read just now
            return torch.cat([*past, x[:, 0]], dim=-1).unsqueeze(1)

        times = torch.arange(self.step - reach, self.step, device=x.device)
        past = ring[(times % reach)[:, None], self.rows[times % self.span]]  # reach x B x C
        padded = torch.cat([past.transpose(0, 1), x], dim=1)
        kept = torch.arange(self.step + new - min(new, reach), self.step + new, device=x.device)
        ring[kept % reach, :batch] = x[:, -len(kept) :].transpose(0, 1)
        return spread_taps(padded, kernel, dilation)

    def advance(self, columns: int) -> None:
        """Close a step of `columns` new columns; call it once, after every convolution has run."""
        if self.rows is not None:
            own = torch.arange(self.rows.size(1), device=self.rows.device)
            for time in range(self.step + columns - min(columns, self.span), self.step + columns):
                self.rows[time % self.span] = own
        self.step += columns

    def repeat(self, rows: int) -> None:
        """Let `rows` hypotheses continue each one there is, as neighbours."""
        self.rings = {owner: ring.repeat_interleave(rows, dim=1) for owner, ring in self.rings.items()}
        if self.rows is not None:
            self.rows = (self.rows * rows).repeat_interleave(rows, dim=1)

    def reorder(self, order: Tensor) -> None:
        """Let row `b` continue the hypothesis of row `order[b]`; rows may be repeated or left out."""
        if self.rows is not None:
            self.rows = self.rows.index_select(1, order)


def spread_taps(padded: Tensor, kernel: int, dilation: int) -> Tensor:
    """Put side by side the columns that a convolution multiplies, oldest first.

    Shape: (B, T + (kernel - 1) * dilation, C) -> (B, T, kernel * C)

    >>> spread_taps(torch.arange(5.0).view(1, 5, 1), kernel=2, dilation=3).tolist()
    [[[0.0, 3.0], [1.0, 4.0]]]
    """
    columns = padded.size(1) - (kernel - 1) * dilation
    return torch.cat([padded[:, i * dilation : i * dilation + columns] for i in range(kernel)], dim=-1)
