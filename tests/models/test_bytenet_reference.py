"""ByteNets and ByteNet Decoders equal the paper's equations, written out in NumPy: weights alone are taken over.

Kalchbrenner et al. 2016: Section 3.1 (dynamic unfolding), 3.2 (masked convolutions), 3.3 (dilation), Figure 3 (blocks),
Section 3.5 (Sub-BN); the Multiplicative Unit as Kalchbrenner et al. 2016b define it.
"""

import math

import numpy as np
import pytest
import torch
from test_bytenet import END, PAD, build, sentences, shifted

from fairseq_bbpe.data.byte_file import SPECIALS, byte_dictionary
from fairseq_bbpe.models import bytenet_lm

DILATIONS = (1, 2, 4)
EPSILON = 1e-5  # PyTorch's, in both normalisations


class Reference:
    """The equations, column by column; `weights` is a state dict, and rows after `main` are the auxiliary batch."""

    def __init__(self, weights: dict, block: str, norm: str, train: bool, main: int, interval: np.ndarray) -> None:
        self.w = {name: tensor.double().numpy() for name, tensor in weights.items()}
        self.block, self.norm, self.train, self.main, self.interval = block, norm, train, main, interval

    def normalise(self, name, x, mask):
        gain, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        if self.norm == "layer":
            mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        elif self.train:  # statistics of the auxiliary batch's symbols, for everybody
            symbols = x[self.main :][mask[self.main :]]
            mean, var = symbols.mean(0), symbols.var(0)
        else:  # of the target's length interval
            mean, var = (self.w[f"{name}.running_{which}"][self.interval][:, None] for which in ("mean", "var"))
        return (x - mean) / np.sqrt(var + EPSILON) * gain + bias

    def convolve(self, name, x, offsets):
        weight, bias = self.w[f"{name}.taps.weight"], self.w[f"{name}.taps.bias"]
        kernels = np.split(weight, len(offsets), axis=1)  # the oldest column's first
        y = np.zeros((*x.shape[:2], len(bias)))
        for t in range(x.shape[1]):
            y[:, t] = bias
            for kernel, offset in zip(kernels, offsets, strict=True):
                if 0 <= t + offset < x.shape[1]:
                    y[:, t] += x[:, t + offset] @ kernel.T
        return y

    def unit(self, name, x, mask, offsets):
        """g1 * tanh(g2 * h + g3 * u), with gates sigmoid(W h) and u = tanh(W h)."""
        h = self.normalise(f"{name}.norm", x, mask)
        g1, g2, g3, u = np.split(self.convolve(f"{name}.gates", h * mask[..., None], offsets), 4, axis=-1)
        g1, g2, g3 = (1 / (1 + np.exp(-g)) for g in (g1, g2, g3))
        return g1 * np.tanh(g2 * h + g3 * np.tanh(u))

    def residual(self, name, x, mask, offsets):
        """Figure 3: left with ReLUs, right with Multiplicative Units; zero is what a convolution reads off the text."""

        def rectified(norm, x):
            return np.maximum(self.normalise(f"{name}.{norm}", x, mask), 0) * mask[..., None]

        h = self.convolve(f"{name}.reduce", rectified("norm_in", x), [0])
        if self.block == "relu":
            h = self.convolve(f"{name}.conv", rectified("norm_conv", h), offsets)
        else:
            h = self.unit(f"{name}.unit", h, mask, offsets)
            h = self.unit(f"{name}.pointwise_unit", h, mask, [0])
        return x + self.convolve(f"{name}.expand", rectified("norm_out", h), [0])

    def stack(self, name, x, mask, kernel, masked):
        if f"{name}.lstm.weight_ih_l0" in self.w:  # Figure 4
            return self.remember(name, x, mask)
        blocks = {key.split(f"{name}.blocks.")[1].split(".")[0] for key in self.w if f"{name}.blocks." in key}
        for number in range(len(blocks)):
            dilation = DILATIONS[number % len(DILATIONS)]
            first = -(kernel - 1) if masked else -(kernel // 2)
            x = self.residual(f"{name}.blocks.{number}", x, mask, [(first + tap) * dilation for tap in range(kernel)])
        return x

    def remember(self, name, x, mask):
        """Layers of LSTMs: f, i, o = sigmoid, g = tanh of W x + U h + b; c = f c + i g; h = o tanh(c)."""
        last = max(
            int(key.rpartition("_l")[2]) for key in self.w if f"{name}.lstm.weight_ih_l" in key and key[-1] != "e"
        )
        for layer in range(last + 1):
            directions = [f"_l{layer}"]
            if f"{name}.lstm.weight_ih_l{layer}_reverse" in self.w:
                directions.append(f"_l{layer}_reverse")
            x = np.concatenate([self.direction(f"{name}.lstm", suffix, x, mask) for suffix in directions], -1)
        return x

    def direction(self, name, suffix, x, mask):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        from_below, from_before, *biases = (self.w[f"{name}.{each}{suffix}"] for each in names)
        y = np.zeros((*x.shape[:2], from_before.shape[1]))
        for row in range(len(x)):
            real = np.flatnonzero(mask[row])
            h = c = np.zeros(from_before.shape[1])
            for t in real[::-1] if suffix.endswith("_reverse") else real:
                i, f, g, o = np.split(from_below @ x[row, t] + from_before @ h + sum(biases), 4)
                i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
                c = f * c + i * np.tanh(g)
                h = y[row, t] = o * np.tanh(c)
        return y

    def predict(self, name, x, mask):
        """Norm, ReLU and a softmax layer over the last column's 2d channels."""
        x = np.maximum(self.normalise(f"{name}norm", x, mask), 0)
        return (x @ self.w[f"{name}output.weight"].T + self.w[f"{name}output.bias"])[: self.main]


def randomised(model, seed):
    """No weight is at a value, such as 0 or 1, that hides what it does; statistics as after a long training."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).double() * 0.4
    for name, statistic in model.named_buffers():
        if name.endswith("running_mean"):
            statistic.copy_(torch.randn(statistic.shape, generator=generator) * 0.3)
        elif name.endswith("running_var"):
            statistic.copy_(torch.rand(statistic.shape, generator=generator) + 0.5)
        elif name.endswith("pairs"):
            statistic.fill_(100)  # no interval is rare
    return model.double()


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("block", ["relu", "multiplicative"])
@pytest.mark.parametrize("norm", ["sub_batch", "layer"])
@pytest.mark.parametrize(("unfold", "join", "networks"), [
    ("zero", "sum", ("conv", "conv")), ("pad", "sum", ("conv", "conv")), ("zero", "concatenate", ("conv", "conv")),
    ("zero", "sum", ("conv", "rnn")), ("zero", "sum", ("birnn", "rnn")), ("pad", "sum", ("birnn", "rnn")),
])  # fmt: skip
def test_a_bytenet_is_what_the_paper_says(train, block, norm, unfold, join, networks):
    a, b = 1.3, 2.0
    options = {"unfold": unfold, "unfold_a": a, "unfold_b": b, "join": join, "source_sets": 2, "target_sets": 1}
    options |= dict(zip(("source_network", "target_network"), networks, strict=True))
    model = build(block=block, norm=norm, source_kernel=5, target_kernel=3, channels=6, **options)
    model = randomised(model, seed=len(block) + len(norm)).train(train)
    main = 3 if train else 5
    source, target = sentences([5, 9, 7, 8, 3]), sentences([8, 12, 17, 4, 11])
    previous = shifted(target)
    auxiliary = {"num_auxiliary": 2} if train else {}
    with torch.no_grad():
        logits = model(source, source.ne(PAD).sum(1), previous, **auxiliary)[0]

    width = model.buckets.width if norm == "sub_batch" else 10
    reference = Reference(model.state_dict(), block, norm, train, main, (previous.ne(PAD).sum(1).numpy() - 1) // width)
    lengths = source.ne(PAD).sum(1).numpy()
    if unfold == "pad":  # the source is padded to a|s| + b symbols and then encoded
        lengths = np.maximum(lengths, [math.ceil(a * length + b) for length in lengths.tolist()])
    padded = np.full((5, max(lengths.max(), source.size(1))), PAD)
    padded[:, : source.size(1)] = source
    mask = np.arange(padded.shape[1]) < lengths[:, None]
    columns = reference.w["encoder.embedding.symbols.weight"].copy()
    columns = reference.stack("encoder.network", columns[padded], mask, kernel=5, masked=False) * mask[..., None]

    joined = np.zeros((5, previous.size(1), columns.shape[-1]))  # past the source: zero
    steps = min(previous.size(1), columns.shape[1])
    joined[:, :steps] = columns[:, :steps]
    x = reference.w["decoder.embedding.symbols.weight"][previous.numpy()]
    if join == "sum":
        x = x + joined
    else:
        x = np.concatenate([x, joined], -1) @ reference.w["decoder.join.weight"].T + reference.w["decoder.join.bias"]
    shown = previous.ne(PAD).numpy()
    x = reference.stack("decoder.network", x, shown, kernel=3, masked=True)
    expected = reference.predict("decoder.", x, shown)
    np.testing.assert_allclose(logits.numpy()[shown[:main]], expected[shown[:main]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("block", ["relu", "multiplicative"])
@pytest.mark.parametrize("norm", ["sub_batch", "layer"])
def test_a_bytenet_decoder_is_what_the_paper_says(train, block, norm):
    torch.manual_seed(3)
    cfg = bytenet_lm.V2(channels=5, sets=2, dilations="1,2,4", block=block, norm=norm, dropout=0.0)
    model = bytenet_lm.ByteNetLMDecoder(cfg, byte_dictionary())
    model = randomised(model, seed=5).train(train)
    ids = torch.randint(SPECIALS, SPECIALS + 256, (4, 20))
    with torch.no_grad():
        logits = model(ids, **({"num_auxiliary": 1} if train else {}))[0]
    main = 3 if train else 4
    reference = Reference(model.state_dict(), block, norm, train, main, np.zeros(4, int))
    mask = np.ones((4, 20), bool)
    x = reference.stack("network", reference.w["embedding.weight"][ids.numpy()], mask, kernel=3, masked=True)
    expected = reference.predict("", x, mask)
    np.testing.assert_allclose(logits.numpy()[..., SPECIALS:], expected, rtol=1e-4, atol=1e-5)
    assert (logits[..., :SPECIALS] == -math.inf).all()


@pytest.mark.parametrize("norm", ["sub_batch", "layer"])
def test_dropout_stands_before_the_last_relu_and_in_training_alone(norm):
    source, previous = sentences([9] * 4), shifted(sentences([9] * 4))
    lengths = torch.full((4,), 9)
    model = build(norm=norm, dropout=1.0)
    logits = model(source, lengths, previous, num_auxiliary=2)[0]
    torch.testing.assert_close(logits, model.decoder.output.bias.expand_as(logits))
    plain = build(norm=norm)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.eval()(source, lengths, previous)[0], plain.eval()(source, lengths, previous)[0])
    decoder = bytenet_lm.ByteNetLMDecoder(
        bytenet_lm.V2(channels=5, sets=1, dilations="1", norm=norm, dropout=1.0), byte_dictionary()
    )
    ids = torch.randint(SPECIALS, SPECIALS + 256, (4, 9))
    logits = decoder(ids, num_auxiliary=1)[0][..., SPECIALS:]
    torch.testing.assert_close(logits, decoder.output.bias.expand_as(logits))
    logits = decoder.eval()(ids)[0][..., SPECIALS:]
    assert (logits - decoder.output.bias).abs().max() > 0.1


def test_the_end_of_the_sentence_is_fed_first():
    assert shifted(torch.tensor([[7, 8, END]])).tolist() == [[END, 7, 8]]


def test_no_sentence_is_too_long_for_a_convolution():
    """fairseq drops what is longer than a model says, by the smallest of model and task."""
    assert min(build().max_positions()) >= 10**6
    cfg = bytenet_lm.V2(channels=5, sets=1, dilations="1")
    assert bytenet_lm.ByteNetLMDecoder(cfg, byte_dictionary()).max_positions() >= 10**9  # as long as a file
