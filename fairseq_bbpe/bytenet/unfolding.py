"""The source and the target network of a ByteNet, and the dynamic unfolding that joins them (Section 3.1, Figure 2)."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from fairseq import utils
from fairseq.models import FairseqEncoder, FairseqIncrementalDecoder
from torch import Tensor, nn

from fairseq_bbpe.bytenet.option_names import named_by_flags
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.batch_parts import BatchParts
from fairseq_bbpe.modules.conv_cache import ConvCache
from fairseq_bbpe.modules.folded_norms import FoldedNorms
from fairseq_bbpe.modules.length_buckets import LengthBuckets
from fairseq_bbpe.modules.ngram_embedding import NgramEmbedding
from fairseq_bbpe.modules.ngram_table import NgramTable
from fairseq_bbpe.modules.recurrent import RecurrentStack, StateCache
from fairseq_bbpe.modules.residual_blocks import ResidualStack
from fairseq_bbpe.modules.sub_batch_norm import normalisation

NO_LIMIT = 1_000_000  # fairseq wants a longest sentence; a convolution has none


def embedding(flag: str, path: str, dictionary, width: int) -> tuple[NgramEmbedding, str]:
    """The input layer of a network, and what is wrong until a checkpoint brings the table that the file should hold.

    Raises:
        UserError: a file that is no table of n-grams, or one of another dictionary.
    """
    table, missing = None, ""
    if path and not Path(path).exists():
        table = NgramTable(len(dictionary), [])
        missing = f"{flag} {path}: no such file; write it with fairseq-bbpe ngrams"
    elif path:
        try:
            table = NgramTable.load(path, len(dictionary))
        except ValueError as error:
            raise UserError(f"{flag} {error}; write one for this data with fairseq-bbpe ngrams") from None
    return NgramEmbedding(len(dictionary), width, dictionary.pad(), table), missing


class NgramNetwork:
    """A network whose checkpoints hold the n-grams that they were trained with."""

    embedding: NgramEmbedding
    missing: str

    def upgrade_state_dict_named(self, state_dict, name):
        """As fairseq's; the embedding takes the checkpoint's table, whatever file the model was built with."""
        self.embedding.fit(state_dict, f"{name}.embedding.")
        if f"{name}.embedding.ngrams" in state_dict:
            self.missing = ""
        return state_dict


class SourceNetwork(NgramNetwork, FairseqEncoder):
    """One column of 2d channels for every source symbol; not masked (Section 3)."""

    def __init__(self, cfg, dilations: list[int], dictionary, buckets: LengthBuckets | None) -> None:
        super().__init__(dictionary)
        self.padding_idx = dictionary.pad()
        self.unfold = (cfg.unfold_a, cfg.unfold_b) if cfg.unfold == "pad" else None
        self.buckets = buckets
        self.embedding, self.missing = embedding("--source-ngrams", cfg.source_ngrams, dictionary, 2 * cfg.channels)
        # The paper's columns join the target as the last block's sum leaves them, several times as large as its inputs.
        sets = len(buckets) if buckets else 1
        self.norm = normalisation(cfg.norm, 2 * cfg.channels, sets) if cfg.normalise_source else None
        self.network: RecurrentStack | ResidualStack
        if cfg.source_network == "birnn":
            self.network = RecurrentStack(cfg.channels, cfg.rnn_layers, bidirectional=True)
        else:
            with named_by_flags(kernel="--source-kernel", dilation="--dilations"):
                self.network = ResidualStack(
                    cfg.channels,
                    cfg.source_sets,
                    cfg.source_kernel,
                    dilations,
                    cfg.block,
                    cfg.norm,
                    masked=False,
                    buckets=sets,
                )

    def forward(self, src_tokens, src_lengths=None, num_auxiliary=0, statistics=None, **kwargs):
        """Encode `src_tokens` (B, S).

        Returns a dictionary: `columns` (B, S', 2d), zero past each sentence; for each row of the target network the
        row of its columns (`rows`); `num_auxiliary` and `statistics`, as `BatchParts` has them.
        """
        if self.missing:
            raise UserError(self.missing)
        # Target step 0 joins source column 0, so a source padded on the left moves to the left.
        src_tokens = utils.convert_padding_direction(src_tokens, self.padding_idx, left_to_right=True)
        source_lengths = src_tokens.ne(self.padding_idx).sum(dim=1)
        lengths = source_lengths
        if self.unfold is not None:
            a, b = self.unfold
            lengths = torch.maximum(lengths, (a * lengths + b - 1e-6).ceil().long())
            src_tokens = F.pad(src_tokens, (0, max(0, int(lengths.max()) - src_tokens.size(1))), value=self.padding_idx)
        non_pad_mask = torch.arange(src_tokens.size(1), device=src_tokens.device) < lengths.unsqueeze(1)

        if statistics is None:  # nobody says how long the target is
            statistics = 0 if self.buckets is None else self.buckets.likeliest(source_lengths)
        parts = BatchParts(non_pad_mask, num_auxiliary, statistics)
        x = self.network(self.embedding(src_tokens), parts)
        if self.norm is not None:
            x = self.norm(x, parts)
        return {
            "columns": x * non_pad_mask.unsqueeze(-1).to(x.dtype),
            "rows": torch.arange(x.size(0), device=x.device),
            "statistics": statistics,
            "num_auxiliary": num_auxiliary,
        }

    def reorder_encoder_out(self, encoder_out, new_order):
        """Point every hypothesis at its source; the columns themselves are neither copied nor moved."""
        of_a_row = [key for key in ("rows", "statistics") if torch.is_tensor(encoder_out[key])]
        return {**encoder_out, **{key: encoder_out[key].index_select(0, new_order) for key in of_a_row}}

    def max_positions(self):
        """No limit but the task's."""
        return NO_LIMIT


class CachedDecoder(FairseqIncrementalDecoder):
    """A decoder whose `network` keeps a cache between generation steps, in fairseq's incremental state."""

    def cache(self, incremental_state) -> ConvCache | StateCache:
        """The cache of this generation, empty at its first step."""
        cache = self.get_incremental_state(incremental_state, "cache")
        if cache is None:
            cache = self.network.new_cache()
            self.set_incremental_state(incremental_state, "cache", cache)
        return cache

    def step_parts(self, cache: ConvCache | StateCache, statistics: Tensor | int = 0) -> BatchParts:
        """What the layers must know in a generation step; Sub-BN is folded into scale and shift at the first one."""
        if cache.folded is None:
            cache.folded = FoldedNorms(self, statistics)
        return BatchParts(statistics=statistics, folded=cache.folded.of_rows(statistics))

    def reorder_incremental_state(self, incremental_state, new_order):
        """Follow the beam: row `b` continues row `new_order[b]`."""
        self.cache(incremental_state).reorder(new_order)


class TargetNetwork(NgramNetwork, CachedDecoder):
    """A language model whose step t also reads source column t: the ByteNet Decoder, unfolded (Sections 3.1, 3.2)."""

    def __init__(self, cfg, dilations: list[int], dictionary, buckets: LengthBuckets | None) -> None:
        super().__init__(dictionary)
        width = 2 * cfg.channels
        self.padding_idx = dictionary.pad()
        self.dropout = cfg.dropout
        sets = len(buckets) if buckets else 1
        self.embedding, self.missing = embedding("--target-ngrams", cfg.target_ngrams, dictionary, width)
        self.join = nn.Linear(2 * width, width) if cfg.join == "concatenate" else None
        self.network: RecurrentStack | ResidualStack
        if cfg.target_network == "rnn":
            self.network = RecurrentStack(cfg.channels, cfg.rnn_layers)
        else:
            with named_by_flags(kernel="--target-kernel", dilation="--dilations"):
                self.network = ResidualStack(
                    cfg.channels, cfg.target_sets, cfg.target_kernel, dilations, cfg.block, cfg.norm, buckets=sets
                )
        self.norm = normalisation(cfg.norm, width, sets)
        self.output = nn.Linear(width, len(dictionary))

    def forward(self, prev_output_tokens, encoder_out=None, incremental_state=None, **kwargs):
        """Predict from `prev_output_tokens` (B, T); in generation only the steps that are new since the last call."""
        if self.missing:
            raise UserError(self.missing)
        cache = self.cache(incremental_state) if incremental_state is not None else None
        first = cache.step if cache is not None else 0
        new = prev_output_tokens.size(1) - first

        if cache is None:
            mask = prev_output_tokens.ne(self.padding_idx)
            parts = BatchParts(mask, encoder_out["num_auxiliary"], encoder_out["statistics"])
        else:
            parts = self.step_parts(cache, encoder_out["statistics"])
        x = self.embedding(prev_output_tokens, last=new if cache is not None else None)
        source = source_columns(encoder_out, first, new)
        x = x + source if self.join is None else self.join(torch.cat([x, source], dim=-1))
        x = self.network(x, parts, cache)
        x = parts.main(self.norm(x, parts))
        logits = self.output(F.relu(F.dropout(x, self.dropout, self.training)))
        return logits, {"attn": None}

    def max_positions(self):
        """No limit but the task's."""
        return NO_LIMIT


def source_columns(encoder_out, first: int, columns: int) -> Tensor:
    """Source columns `first` to `first + columns` for each row of the target network, zero past the source (3.1)."""
    stored = encoder_out["columns"]
    x = stored[:, first : first + columns].index_select(0, encoder_out["rows"])
    return F.pad(x, (0, 0, 0, columns - x.size(1)))
