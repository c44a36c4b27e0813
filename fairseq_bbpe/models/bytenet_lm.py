"""The ByteNet Decoder: a language model over bytes (Sections 3.4 and 5 of the ByteNet paper).

Registers `bytenet_lm` (first version of the paper), `bytenet_lm_v2` (second version) and `bytenet_lm_tiny` (for a CPU).
"""

import itertools
import operator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from fairseq.checkpoint_utils import load_model_ensemble
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import FairseqLanguageModel, register_model
from torch import Tensor, nn

from fairseq_bbpe.bytenet.option_names import named_by_flags
from fairseq_bbpe.bytenet.unfolding import CachedDecoder
from fairseq_bbpe.errors import UserError, check_checkpoints
from fairseq_bbpe.models.bytenet import parse_dilations, preset
from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.conv_cache import ConvCache
from fairseq_bbpe.modules.masked_conv import DilatedConv
from fairseq_bbpe.modules.residual_blocks import BLOCKS, ResidualStack
from fairseq_bbpe.modules.sub_batch_norm import NORMS, normalisation

NO_LIMIT = 1_000_000_000  # fairseq wants a longest input; a convolution has none


@dataclass
class ByteNetLMConfig(FairseqDataclass):
    """First version of the paper (Section 5): 25 multiplicative blocks, d = 892, Sub-BN; windows of 315 + 200 bytes."""

    channels: int = field(default=892, metadata={"help": "d, the channels inside the blocks; outside they are 2d wide"})
    sets: int = field(default=5, metadata={"help": "sets of residual blocks"})
    dilations: str = field(default="1,2,4,8,16", metadata={"help": "dilations of the blocks of a set, in bytes"})
    kernel: int = field(default=3, metadata={"help": "columns that a masked convolution reads"})
    block: ChoiceEnum(list(BLOCKS)) = field(
        default="multiplicative", metadata={"help": "kind of residual block (Figure 3)"}
    )
    norm: ChoiceEnum(list(NORMS)) = field(
        default="sub_batch", metadata={"help": "normalisation; sub_batch splits training batches (Section 3.5)"}
    )
    dropout: float = field(default=0.0, metadata={"help": "probability of dropping a unit before the last ReLU"})
    compile_blocks: bool = field(
        default=False, metadata={"help": "train with torch.compile, a minute slower to start; for a GPU with Triton"}
    )


@register_model("bytenet_lm", dataclass=ByteNetLMConfig)
class ByteNetLM(FairseqLanguageModel):
    """Predict every byte from the `receptive_field` bytes before it, in parallel or one at a time."""

    registered_as = "bytenet_lm"
    takes_skip = True

    @classmethod
    def build_model(cls, cfg: ByteNetLMConfig, task) -> "ByteNetLM":
        """Build the network for a task whose dictionary ends with the 256 bytes."""
        return cls(ByteNetLMDecoder(cfg, task.target_dictionary))

    @property
    def receptive_field(self) -> int:
        """Bytes before a byte on which its prediction depends: 1 + 5 * 2 * 31 = 311 in the paper."""
        return self.decoder.network.receptive_field

    @property
    def needs_auxiliary(self) -> bool:
        """Whether training batches must have an auxiliary part (Sub-BN)."""
        return self.decoder.sub_batch

    def training_flops(self, columns: int, skip: int, auxiliary_share: float = 0.0) -> int:
        """Floating-point operations of the matrix products of one scored training window of so many columns.

        A weight costs a multiplication and an addition in each column that its block computes; the backward pass costs
        twice as much again. Norms, gates and embeddings are left out. The windows that only give Sub-BN its statistics,
        a share of each batch, go through the blocks as well.
        """
        forward = 0
        firsts = itertools.pairwise(self.decoder.first_columns(skip))
        for block, (first, following) in zip(self.decoder.network.blocks, firsts, strict=True):
            read = _matrix_weights(block.reduce)  # comes before the convolution, and so has more columns
            forward += 2 * (read * (columns - first) + (_matrix_weights(block) - read) * (columns - following))
        forward = round(forward / (1 - auxiliary_share))
        return 3 * (forward + 2 * _matrix_weights(self.decoder.output) * (columns - skip))


class ByteNetLMDecoder(CachedDecoder):
    """Embedding of 2d, residual stack, norm, dropout, ReLU and a softmax over the 256 bytes alone.

    fairseq's special symbols get a probability of exactly 0, so a model that has learnt nothing costs 8 bits a byte.
    """

    def __init__(self, cfg: ByteNetLMConfig, dictionary) -> None:
        super().__init__(dictionary)
        width = 2 * cfg.channels
        self.specials = dictionary.nspecial
        self.dropout = cfg.dropout
        self.sub_batch = cfg.norm == "sub_batch"
        self.embedding = nn.Embedding(len(dictionary), width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        dilations = parse_dilations(cfg.dilations)
        with named_by_flags(kernel="--kernel", dilation="--dilations"):
            self.network = ResidualStack(cfg.channels, cfg.sets, cfg.kernel, dilations, cfg.block, cfg.norm)
        self.reaches = [
            sum(conv.reach for conv in block.modules() if isinstance(conv, DilatedConv))
            for block in self.network.blocks
        ]
        # In a tuple they are no modules of their own, so a checkpoint is the same with and without them.
        self.compiled: Any = tuple(
            torch.compile(block, dynamic=True) for block in self.network.blocks if cfg.compile_blocks
        )
        self.norm = normalisation(cfg.norm, width)
        self.output = nn.Linear(width, len(dictionary) - self.specials)

    def forward(
        self, prev_output_tokens, src_lengths=None, encoder_out=None, incremental_state=None, skip=0, num_auxiliary=0
    ):
        """Predict the byte after every one of `prev_output_tokens` (B, T), of the first `skip` columns nothing.

        Args:
            incremental_state: fairseq's; the columns of earlier calls are remembered, not computed again.
            skip: leading columns whose predictions do not count; they are computed only as far as others read them.
            num_auxiliary: rows, the last ones, that only provide Sub-BN's statistics.

        Returns:
            logits (B - num_auxiliary, T - skip, symbols), and fairseq's dictionary of extras.

        Raises:
            UserError: Sub-BN in training without auxiliary rows.
        """
        if self.training and self.sub_batch and not num_auxiliary:
            raise UserError("--norm sub_batch: train with --task byte_language_modeling, or choose --norm layer")
        if incremental_state is None:
            return self.logits(self.columns(prev_output_tokens, skip, num_auxiliary)), {"attn": None}
        cache = self.cache(incremental_state)
        return self.logits(self.read(prev_output_tokens[:, cache.step :], cache)), {"attn": None}

    def columns(self, tokens: Tensor, skip: int = 0, num_auxiliary: int = 0) -> Tensor:
        """The last columns (B - num_auxiliary, T - skip, 2d) of whole sequences (B, T)."""
        batch = BatchParts(num_auxiliary=num_auxiliary)
        x = self.embedding(tokens)
        blocks = self.compiled if self.training and self.compiled else self.network.blocks
        firsts = self.first_columns(skip)
        x = x[:, firsts[0] :]
        for block, (first, following) in zip(blocks, itertools.pairwise(firsts), strict=True):
            # No column that counts reads a zero in place of a column left out, and Sub-BN averages no such column.
            x = block(x, batch, None, following - first)
        return batch.main(self.norm(x, batch))

    def first_columns(self, skip: int) -> list[int]:
        """The first column that each block reads, and the first of the last block's output: `skip`."""
        above = itertools.accumulate(self.reaches, operator.sub, initial=sum(self.reaches))
        return [max(0, skip - reach) for reach in above]

    def read(self, tokens: Tensor, cache: ConvCache) -> Tensor:
        """The last columns (B, T, 2d) of T bytes that follow those in `cache`, at a cost of T alone."""
        batch = self.step_parts(cache)
        return self.norm(self.network(self.embedding(tokens), batch, cache), batch)

    def logits(self, columns: Tensor) -> Tensor:
        """Logits (B, T, symbols) of columns (B, T, 2d), -inf for fairseq's special symbols."""
        x = F.relu(F.dropout(columns, self.dropout, self.training))
        return F.pad(self.output(x), (self.specials, 0), value=-torch.inf)

    def max_positions(self):
        """No limit but the memory's."""
        return NO_LIMIT


def load_decoder(path: str) -> ByteNetLMDecoder:
    """The decoder of a checkpoint of `bytenet_lm`, ready to predict, on the GPU where there is one.

    Raises:
        UserError: no such file, or a checkpoint of another model.
    """
    check_checkpoints(path)
    (model,), _ = load_model_ensemble([path])
    if not isinstance(model, ByteNetLM):
        raise UserError(f"--checkpoint {path}: a {type(model).__name__}; give a checkpoint of --arch bytenet_lm")
    return model.decoder.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _matrix_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.dim() == 2)


# Second version of the paper; its windows are `--context-bytes 100 --scored-bytes 400`.
V2 = preset(ByteNetLMConfig, channels=512, sets=6, norm="layer", dropout=0.1)


@register_model("bytenet_lm_v2", dataclass=V2)
class ByteNetLMV2(ByteNetLM):
    """The second version: 30 blocks, d = 512, layer normalisation."""

    registered_as = "bytenet_lm_v2"


TINY = preset(V2, channels=64, sets=1, dropout=0.0)


@register_model("bytenet_lm_tiny", dataclass=TINY)
class ByteNetLMTiny(ByteNetLM):
    """The second version at the size of a CPU: 5 blocks, d = 64, so 63 bytes of context are all it can use."""

    registered_as = "bytenet_lm_tiny"
