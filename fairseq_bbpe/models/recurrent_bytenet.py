"""Recurrent ByteNets (Section 4.1, Figure 4): recurrent networks, stacked and unfolded as the convolutional ones.

Registers `bytenet_conv_rnn` (Figure 4, left), `bytenet_birnn_rnn` (right) and their `_tiny` presets. The paper does
not evaluate these two and gives no sizes: here they have the width, Sub-BN, kernels and zero columns of the first
version, whose text describes them.
"""

from fairseq.models import register_model

from fairseq_bbpe.models.bytenet import V1_TINY, ByteNet, ByteNetConfig, preset


@register_model("bytenet_conv_rnn", dataclass=preset(ByteNetConfig, target_network="rnn"))
class ByteNetConvRnn(ByteNet):
    """Convolutional source network, recurrent target network: time c|S| + |T|."""

    registered_as = "bytenet_conv_rnn"


@register_model("bytenet_birnn_rnn", dataclass=preset(ByteNetConfig, source_network="birnn", target_network="rnn"))
class ByteNetBirnnRnn(ByteNet):
    """Bidirectional recurrent source network, recurrent target network: generalises the RNN encoder-decoder."""

    registered_as = "bytenet_birnn_rnn"


@register_model("bytenet_conv_rnn_tiny", dataclass=preset(V1_TINY, target_network="rnn"))
class ByteNetConvRnnTiny(ByteNet):
    """`bytenet_conv_rnn` at the size of `bytenet_v1_tiny`."""

    registered_as = "bytenet_conv_rnn_tiny"


@register_model("bytenet_birnn_rnn_tiny", dataclass=preset(V1_TINY, source_network="birnn", target_network="rnn"))
class ByteNetBirnnRnnTiny(ByteNet):
    """`bytenet_birnn_rnn` at the size of `bytenet_v1_tiny`."""

    registered_as = "bytenet_birnn_rnn_tiny"
