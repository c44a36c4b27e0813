"""ByteNet: a convolutional target network stacked on a convolutional source network (Sections 3 and 6, Figure 1).

Registers `bytenet` (first version of the paper), `bytenet_v2` (second version) and `bytenet_tiny` (for a CPU).
"""

from dataclasses import dataclass, field, fields, make_dataclass

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import FairseqEncoderDecoderModel, register_model

from fairseq_bbpe.bpe import check_configured
from fairseq_bbpe.bytenet.unfolding import SourceNetwork, TargetNetwork
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.modules.length_buckets import LengthBuckets
from fairseq_bbpe.modules.residual_blocks import BLOCKS
from fairseq_bbpe.modules.sub_batch_norm import NORMS


@dataclass
class ByteNetConfig(FairseqDataclass):
    """First version of the paper (Section 6): 15 + 15 ReLU blocks, d = 892, Sub-BN, kernels 5 and 3."""

    channels: int = field(default=892, metadata={"help": "d, the channels inside the blocks; outside they are 2d wide"})
    source_sets: int = field(default=3, metadata={"help": "sets of residual blocks in the source network"})
    target_sets: int = field(default=3, metadata={"help": "sets of residual blocks in the target network"})
    dilations: str = field(default="1,2,4,8,16", metadata={"help": "dilations of the blocks of a set, in columns"})
    source_kernel: int = field(
        default=5, metadata={"help": "columns that a source convolution reads; odd, for it is centred"}
    )
    target_kernel: int = field(default=3, metadata={"help": "columns that a target convolution reads; masked"})
    block: ChoiceEnum(list(BLOCKS)) = field(default="relu", metadata={"help": "kind of residual block (Figure 3)"})
    norm: ChoiceEnum(list(NORMS)) = field(
        default="sub_batch",
        metadata={"help": "normalisation; sub_batch (Section 3.5) trains with --task translation_sub_batch"},
    )
    dropout: float = field(default=0.0, metadata={"help": "probability of dropping a unit before the last ReLU"})
    join: ChoiceEnum(["sum", "concatenate"]) = field(
        default="sum",
        metadata={"help": "how a source column joins its target step; concatenated, a 1x1 convolution takes 4d to 2d"},
    )
    unfold: ChoiceEnum(["zero", "pad"]) = field(
        default="zero",
        metadata={
            "help": "past the source: zero columns (first version of the paper), or pad the source to a|s| + b symbols "
            "before it is encoded (second version)"
        },
    )
    normalise_source: bool = field(
        default=False,
        metadata={
            "help": "normalise the source network's columns before they join the target: learns faster, but the paper "
            "does not say so (Section 3.1, Figure 1: the columns are taken as they are)"
        },
    )
    unfold_a: float = field(default=1.2, metadata={"help": "a of --unfold pad"})
    unfold_b: float = field(default=0.0, metadata={"help": "b of --unfold pad, in symbols"})
    source_ngrams: str = field(
        default="",
        metadata={"help": "table of source n-grams, from fairseq-bbpe ngrams; the checkpoint keeps it"},
    )
    target_ngrams: str = field(
        default="",
        metadata={"help": "table of target n-grams, from fairseq-bbpe ngrams; the checkpoint keeps it"},
    )
    bucket_width: int = field(default=25, metadata={"help": "Sub-BN pads sentences to a multiple of so many symbols"})
    bucket_longest: int = field(
        default=500,
        metadata={"help": "longest target, in symbols, with statistics of its own; the rest share the last"},
    )
    source_network: ChoiceEnum(["conv", "birnn"]) = field(
        default="conv", metadata={"help": "convolutional, or a bidirectional LSTM (Section 4.1)"}
    )
    target_network: ChoiceEnum(["conv", "rnn"]) = field(
        default="conv", metadata={"help": "convolutional, or an LSTM (Section 4.1)"}
    )
    rnn_layers: int = field(default=2, metadata={"help": "layers of a recurrent source or target network"})


def preset(parent: type[ByteNetConfig], **defaults) -> type[ByteNetConfig]:
    """A configuration that differs from its parent in these defaults alone; help texts and types stay."""
    changed = [
        (f.name, f.type, field(default=defaults[f.name], metadata=f.metadata))
        for f in fields(parent)
        if f.name in defaults
    ]
    assert len(changed) == len(defaults), "a preset may only name options of its parent"
    return make_dataclass(f"Preset{parent.__name__}", changed, bases=(parent,))


def parse_dilations(text: str) -> list[int]:
    """The dilations of a set; raises UserError where they are no integers.

    >>> parse_dilations("1,2,4")
    [1, 2, 4]
    """
    try:
        return [int(dilation) for dilation in text.split(",")]
    except ValueError:
        raise UserError(f"--dilations {text}: not integers with commas between, such as 1,2,4,8,16") from None


def length_buckets(cfg: ByteNetConfig) -> LengthBuckets:
    """The intervals of Sub-BN's statistics; raises UserError where the two flags do not fit."""
    if cfg.bucket_width < 1:
        raise UserError(f"--bucket-width must be at least 1, got {cfg.bucket_width}: the paper's is 25")
    if cfg.bucket_longest < cfg.bucket_width:
        raise UserError(
            f"--bucket-longest {cfg.bucket_longest} is below --bucket-width {cfg.bucket_width}: raise the first"
        )
    return LengthBuckets(cfg.bucket_width, cfg.bucket_longest)


@register_model("bytenet", dataclass=ByteNetConfig)
class ByteNet(FairseqEncoderDecoderModel):
    """Translate in time linear in the lengths, by dynamic unfolding (Section 3.1)."""

    registered_as = "bytenet"
    has_attention = False

    @classmethod
    def build_model(cls, cfg: ByteNetConfig, task) -> "ByteNet":
        """Build the two networks for a task's dictionaries; raises UserError on options that do not fit."""
        if getattr(task.cfg, "left_pad_target", False):
            raise UserError(
                "--left-pad-target: ByteNet unfolds from target step 0, with padding on the right; leave it out"
            )
        buckets = length_buckets(cfg) if cfg.norm == "sub_batch" else None
        model = cls(
            SourceNetwork(cfg, parse_dilations(cfg.dilations), task.source_dictionary, buckets),
            TargetNetwork(cfg, parse_dilations(cfg.dilations), task.target_dictionary, buckets),
        )
        # Their gradients are exchanged by the rows in use, where they are made (`SummedRows`).
        model._ddp_params_and_buffers_to_ignore = ["encoder.embedding.ngrams", "decoder.embedding.ngrams"]
        return model

    @property
    def buckets(self) -> LengthBuckets | None:
        """Sub-BN's length intervals: the task batches by them, interval search reads them; None with another norm."""
        return self.encoder.buckets

    def forward(self, src_tokens, src_lengths, prev_output_tokens, num_auxiliary=0, statistics=None, **kwargs):
        """Predict every target symbol from those before it, and from the source.

        Args:
            src_tokens: (B, S), padded on either side.
            src_lengths: (B,).
            prev_output_tokens: (B, T), shifted targets, padded on the right.
            num_auxiliary: how many rows, the last ones, only provide Sub-BN's statistics; they get no prediction.
            statistics: which of Sub-BN's statistics the batch belongs to; None: each row those of its target length.

        Returns:
            logits (B - num_auxiliary, T, symbols), and fairseq's dictionary of extras.

        Raises:
            UserError: Sub-BN in training without auxiliary rows.
        """
        if self.buckets is not None:
            if self.training and not num_auxiliary:
                raise UserError("--norm sub_batch: train with --task translation_sub_batch, or choose --norm layer")
            if statistics is None:
                statistics = self.buckets.statistics(prev_output_tokens.ne(self.decoder.padding_idx).sum(dim=1))
        encoder_out = self.encoder(src_tokens, src_lengths, num_auxiliary=num_auxiliary, statistics=statistics)
        return self.decoder(prev_output_tokens, encoder_out=encoder_out)

    def prepare_for_inference_(self, cfg) -> None:
        """As fairseq's; refuses a vocabulary that is not the model's."""
        super().prepare_for_inference_(cfg)
        check_configured(cfg, self.encoder.dictionary, self.decoder.dictionary)


# Second version of the paper: 30 + 30 blocks, and every difference from the first.
V2 = preset(
    ByteNetConfig,
    channels=800,
    source_sets=6,
    target_sets=6,
    source_kernel=3,
    norm="layer",
    unfold="pad",
)


@register_model("bytenet_v2", dataclass=V2)
class ByteNetV2(ByteNet):
    """Second version of the paper; trains with fairseq's own translation task."""

    registered_as = "bytenet_v2"


V1_TINY = preset(ByteNetConfig, channels=96, source_sets=1, target_sets=1, bucket_longest=250)


@register_model("bytenet_v1_tiny", dataclass=V1_TINY)
class ByteNetV1Tiny(ByteNet):
    """The first version at the size of a CPU; trains with `--task translation_sub_batch`."""

    registered_as = "bytenet_v1_tiny"


TINY = preset(V2, channels=96, source_sets=1, target_sets=1, bucket_longest=250)


@register_model("bytenet_tiny", dataclass=TINY)
class ByteNetTiny(ByteNet):
    """The second version at the size of a CPU: 5 + 5 blocks, d = 96."""

    registered_as = "bytenet_tiny"
