"""A beam over bytes: each hypothesis continues its own past, and costs what the model says of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fairseq.search import BeamSearch, Sampling

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.data.byte_file import SPECIALS, byte_dictionary
from fairseq_bbpe.models.bytenet_lm import ByteNetLMConfig, ByteNetLMDecoder
from fairseq_bbpe.search.byte_stream import continue_bytes

CONFIG = ByteNetLMConfig(channels=6, sets=1, dilations="1,3", norm="layer")  # sees 9 bytes back


def bits_of(network, prompt: bytes, text: bytes, temperature: float) -> float:
    """-log2 of the probability of `text` after `prompt`, by one pass over both."""
    ids = torch.from_numpy(np.frombuffer(prompt + text, np.uint8).astype(np.int64)) + SPECIALS
    with torch.no_grad():
        logs = (network(ids[None, :-1])[0][0] / temperature).log_softmax(-1)
    return -float(logs.gather(1, ids[1:, None])[len(prompt) - 1 :].sum()) / np.log(2)


@pytest.mark.parametrize(("temperature", "prompt"), [(1.0, b"any prompt"), (0.3, b"any prompt"), (1.0, b"prompt")])
@pytest.mark.parametrize("seed", range(3))
def test_each_hypothesis_of_a_beam_costs_what_the_model_says(seed, temperature, prompt):
    torch.manual_seed(seed)
    network = ByteNetLMDecoder(replace(CONFIG), byte_dictionary()).double().eval()
    search = BeamSearch(byte_dictionary())
    found = continue_bytes(
        network, np.frombuffer(prompt, np.uint8), 9, search, rows=5, temperature=temperature, chunk=4
    )
    assert len({text for _, text in found}) == 5
    assert all(len(text) == 9 for _, text in found)
    for bits, text in found:
        assert bits == pytest.approx(bits_of(network, prompt, text, temperature), abs=1e-3)
    assert [bits for bits, _ in found] == sorted(bits for bits, _ in found)


def is_valid(data: bytes) -> bool:
    return data.decode("utf-8", "ignore").encode() == data


STRATEGIES = {
    "beam": BeamSearch(byte_dictionary()),
    "sampling": Sampling(byte_dictionary()),
    "top-k": Sampling(byte_dictionary(), 20),
    "top-p": Sampling(byte_dictionary(), -1, 0.8),
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("prompt", [b"a prompt", "ü".encode(), "日".encode()[:1], b"x" + "😀".encode()[:2]])
def test_a_continuation_is_valid_after_its_prompt_and_ends_with_a_character(name, prompt):
    torch.manual_seed(3)
    network = ByteNetLMDecoder(replace(CONFIG), byte_dictionary()).double().eval()
    network.output.bias.data[0x80:] += 4  # so that hypotheses stand at different places within characters
    start = np.frombuffer(prompt, np.uint8)

    def texts(length, **options):
        found = continue_bytes(network, start, length, STRATEGIES[name], rows=12, temperature=2.0, **options)
        assert all(len(text) == length for _, text in found)
        return [prompt + text for _, text in found]

    lengths = [2, 3, 4, 5, 8, 30]
    assert all(is_valid(text) for length in lengths for text in texts(length))
    assert not all(is_valid(text) for length in lengths for text in texts(length, valid_utf8=False))


def test_samples_come_likeliest_first():
    torch.manual_seed(2)
    network = ByteNetLMDecoder(replace(CONFIG), byte_dictionary()).double().eval()
    found = continue_bytes(network, np.frombuffer(b"x", np.uint8), 6, Sampling(byte_dictionary()), rows=8)
    assert [bits for bits, _ in found] == sorted({bits for bits, _ in found})


def test_no_bytes_cost_nothing():
    network = ByteNetLMDecoder(replace(CONFIG), byte_dictionary()).eval()
    found = continue_bytes(network, np.frombuffer(b"x", np.uint8), 0, BeamSearch(byte_dictionary()), rows=3)
    assert found == [(0.0, b"")] * 3
