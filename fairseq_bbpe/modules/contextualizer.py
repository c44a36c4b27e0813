"""Embeddings in their context (BBPE paper, "Encoding Byte-Level Representation"), blind to padding.

A byte-level subword may be part of a character, so its embedding says little without its neighbours. Both layers
give a sentence the same output whatever it is batched with, and wherever its padding lies.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fairseq_bbpe.modules.linear import linear

is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # older torch has none


class DepthwiseConv(nn.Module):
    """x_ctx = DepthWiseConv(x): every channel looks at its own `kernel_size` columns around each position.

    One convolution starts as the identity, which the paper leaves open; of several, each starts as torch's do.

    Shape:
        - x: ``(B, T, C)``, padding_mask: ``(B, T)``, True at padding
        - output: ``(B, T, C)``, zero at padding

    Raises `ValueError` for an even kernel, which would shift the sequence or change its length.
    """

    def __init__(self, dim: int, kernel_size: int = 5, layers: int = 1):
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} is not odd")
        convs = [nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim) for _ in range(layers)]
        if layers == 1:
            # Training begins as without a context. Random filters blur each embedding with its neighbours', and a
            # decoder then takes much longer to begin to read its source.
            nn.init.dirac_(convs[0].weight, groups=dim)
            nn.init.zeros_(convs[0].get_parameter("bias"))
        self.layers = nn.ModuleList(convs)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        # B x T x C -> B x C x T
        x, padding_mask = x.transpose(1, 2), padding_mask.unsqueeze(1)
        for depth, conv in enumerate(self.layers):
            # A neighbour beyond the sentence counts as zero, be it padding or the edge of the batch.
            x = conv((x if depth == 0 else x.relu()).masked_fill(padding_mask, 0))
        return x.masked_fill(padding_mask, 0).transpose(1, 2)


class BiGRU(nn.Module):
    """x_ctx = BiGRU(x): half the channels have read the sentence from its start, half from its end.

    The state stays zero in padding, on either side: no packing, and no wait for the lengths on a GPU. It starts close
    to each position's own tanh(x), which the paper leaves open.

    Shape:
        - x: ``(B, T, C)`` with even C, padding_mask: ``(B, T)``, True at padding
        - output: ``(B, T, C)``, zero at padding

    Raises `ValueError` for an odd width.
    """

    def __init__(self, dim: int, layers: int = 1):
        super().__init__()
        if dim % 2:
            raise ValueError(f"a Bi-GRU splits its width in two: {dim} is odd")
        self.gru = nn.GRU(dim, dim // 2, num_layers=layers, bidirectional=True, batch_first=True)
        self._start_close_to_the_input()

    @torch.no_grad()
    def _start_close_to_the_input(self) -> None:
        """n = tanh(x) in each direction's channels, and z around sigmoid(-2): a state begins as mostly its own input.

        As with the convolution: a decoder begins to read its source sooner if its embeddings are not blurred.
        """
        hidden = self.gru.hidden_size
        update, new = slice(hidden, 2 * hidden), slice(2 * hidden, None)
        for depth in range(self.gru.num_layers):
            for direction, first in (("", 0), ("_reverse", hidden)):
                self.gru.get_parameter(f"bias_ih_l{depth}{direction}")[update] = -2
                self.gru.get_parameter(f"weight_hh_l{depth}{direction}")[new] = 0
                of_input = torch.eye(hidden, 2 * hidden).roll(first, 1)
                self.gru.get_parameter(f"weight_ih_l{depth}{direction}")[new] = of_input

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        # B x T -> T x B x 1
        non_pad_mask = (~padding_mask).t().unsqueeze(-1).to(x.dtype)
        # The backward direction reads column T - 1 - t at step t: T x 2 x B x 1
        both_masks = torch.stack([non_pad_mask, non_pad_mask.flip(0)], dim=1)
        x = x.transpose(0, 1)
        for depth in range(self.gru.num_layers):
            x = self._layer(x, both_masks, depth)
        return x.transpose(0, 1)

    def _layer(self, x: Tensor, both_masks: Tensor, depth: int) -> Tensor:
        """One layer, `(T, B, C)` to `(T, B, C)`: the input's product over all columns, then the steps."""
        (w_input, w_state), (b_input, b_state) = (
            [
                torch.stack([getattr(self.gru, f"{kind}_{part}_l{depth}{direction}") for direction in ("", "_reverse")])
                for part in ("ih", "hh")
            ]
            for kind in ("weight", "bias")
        )
        # T x B x C -> T x 2 x B x 3H
        gates = linear(x, w_input.flatten(0, 1), b_input.flatten()).unflatten(-1, (2, -1)).transpose(1, 2)
        gates = torch.stack([gates[:, 0], gates[:, 1].flip(0)], dim=1)
        w_state, b_state = w_state.transpose(1, 2), b_state.unsqueeze(1)
        # Under autocast the products, and so the states, are narrower than x.
        state, both_masks = gates.new_zeros(2, x.size(1), self.gru.hidden_size), both_masks.to(gates.dtype)

        def step(state: Tensor, column: tuple[Tensor, Tensor]) -> Tensor:
            # Cho et al. 2014 as torch has it: r, z = sigmoid(...), n = tanh(W x + r (U h)), h' = (1 - z) n + z h.
            gate, mask = column
            reset_update, new = gate.split((2 * self.gru.hidden_size, self.gru.hidden_size), -1)
            from_state, new_from_state = torch.baddbmm(b_state, state, w_state).split(
                (2 * self.gru.hidden_size, self.gru.hidden_size), -1
            )
            reset, update = (reset_update + from_state).sigmoid().chunk(2, -1)
            new = torch.addcmul(new, reset, new_from_state).tanh()
            return torch.lerp(new, state, update) * mask

        forward, backward = _states(step, state, (gates, both_masks)).unbind(1)
        return torch.cat([forward, backward.flip(0)], dim=-1)


def _states(step: Callable, state: Tensor, columns: tuple[Tensor, Tensor]) -> Tensor:
    """All states `(T, ...)` of a recurrence over columns `(T, ...)`, the first after one step."""
    if is_exporting():
        # A loop in Python would be traced for one length. What a step hands on may not be what it puts out.
        from torch._higher_order_ops.scan import scan  # a prototype, on which training must not depend

        return scan(lambda *read: ((after := step(*read)), after.clone()), state, columns)[1]
    states = []
    for column in zip(*(part.unbind(0) for part in columns), strict=True):
        state = step(state, column)
        states.append(state)
    return torch.stack(states)
