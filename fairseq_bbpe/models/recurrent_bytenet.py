"""Recurrent ByteNets (Section 4.1, Figure 4): recurrent networks, stacked and unfolded as the convolutional ones.

Registers `bytenet_conv_rnn` (Figure 4, left), `bytenet_birnn_rnn` (right) and their `_tiny` presets. The paper does
not evaluate these two and gives no sizes: here they have the second version's width, norm and unfolding.
"""

from fairseq.models import register_model

from fairseq_bbpe.models.bytenet import TINY, V2, ByteNet, preset


@register_model("bytenet_conv_rnn", dataclass=preset(V2, target_network="rnn"))
class ByteNetConvRnn(ByteNet):
    """Convolutional source network, recurrent target network: time c|S| + |T|."""

    registered_as = "bytenet_conv_rnn"


@register_model("bytenet_birnn_rnn", dataclass=preset(V2, source_network="birnn", target_network="rnn"))
class ByteNetBirnnRnn(ByteNet):
    """Bidirectional recurrent source network, recurrent target network: generalises the RNN encoder-decoder."""

    registered_as = "bytenet_birnn_rnn"


@register_model("bytenet_conv_rnn_tiny", dataclass=preset(TINY, target_network="rnn"))
class ByteNetConvRnnTiny(ByteNet):
    """`bytenet_conv_rnn` at the size of `bytenet_tiny`."""

    registered_as = "bytenet_conv_rnn_tiny"


@register_model("bytenet_birnn_rnn_tiny", dataclass=preset(TINY, source_network="birnn", target_network="rnn"))
class ByteNetBirnnRnnTiny(ByteNet):
    """`bytenet_birnn_rnn` at the size of `bytenet_tiny`."""

    registered_as = "bytenet_birnn_rnn_tiny"
