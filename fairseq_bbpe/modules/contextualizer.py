"""Embeddings in their context (BBPE paper, "Encoding Byte-Level Representation"), blind to padding.

A byte-level subword may be part of a character, so its embedding says little without its neighbours. Both layers
give a sentence the same output whatever it is batched with, and wherever its padding lies.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fairseq_bbpe.errors import UserError


class DepthwiseConv(nn.Module):
    """x_ctx = DepthWiseConv(x): every channel looks at its own `kernel_size` columns around each position.

    Shape:
        - x: ``(B, T, C)``, padding_mask: ``(B, T)``, True at padding
        - output: ``(B, T, C)``, zero at padding

    Raises `UserError` for an even kernel, which would shift the sequence or change its length.
    """

    def __init__(self, dim: int, kernel_size: int = 5, layers: int = 1):
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UserError(f"--embed-context-kernel {kernel_size}: give an odd number, such as the paper's 5")
        self.layers = nn.ModuleList(
            nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim) for _ in range(layers)
        )

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        # B x T x C -> B x C x T
        x, padding_mask = x.transpose(1, 2), padding_mask.unsqueeze(1)
        for depth, conv in enumerate(self.layers):
            # A neighbour beyond the sentence counts as zero, be it padding or the edge of the batch.
            x = conv((x if depth == 0 else x.relu()).masked_fill(padding_mask, 0))
        return x.masked_fill(padding_mask, 0).transpose(1, 2)


class BiGRU(nn.Module):
    """x_ctx = BiGRU(x): half the channels have read the sentence from its start, half from its end.

    Shape:
        - x: ``(B, T, C)`` with even C, padding_mask: ``(B, T)``, True at padding
        - output: ``(B, T, C)``, zero at padding
    """

    def __init__(self, dim: int, layers: int = 1):
        super().__init__()
        if dim % 2:
            raise UserError(
                f"--encoder-embed-dim {dim}: a Bi-GRU splits it between two directions; give an even number"
            )
        self.gru = nn.GRU(dim, dim // 2, num_layers=layers, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        columns = torch.arange(x.size(1), device=x.device)
        # fairseq pads sources on the left by default, and packing wants the padding on the right.
        start = padding_mask.long().argmin(dim=1, keepdim=True)
        x = _take_columns(x, (columns + start) % len(columns))
        lengths = (~padding_mask).sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=len(columns))
        return _take_columns(x, (columns - start) % len(columns))


def _take_columns(x: Tensor, columns: Tensor) -> Tensor:
    # (B, T, C) by (B, T) -> (B, T, C)
    return x.gather(1, columns.unsqueeze(-1).expand_as(x))
