"""Bytes through a ByteNet Decoder as a stream: a long text in parallel chunks, then one byte after another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from fairseq.models import FairseqDecoder
from fairseq.search import Search
from torch import Tensor

from fairseq_bbpe.data.byte_file import BYTES, SPECIALS
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.utf8_automaton import LOOKBACK, PieceAutomaton
from fairseq_bbpe.search.valid_utf8 import BatchBounds, ValidUTF8Search

CHUNK = 4096  # columns computed at once


@torch.no_grad()
def stream_bits(decoder: FairseqDecoder, data: np.ndarray, chunk: int = CHUNK) -> Iterator[np.ndarray]:
    """Bits of every byte after the first, given all bytes before it; arrays that follow each other, float64.

    Args:
        decoder: of a `ByteNetLM`.
        data: (N,), uint8, N >= 2; a memory map will do.
        chunk: bytes computed at once; the result does not depend on it.
    """
    cache = decoder.network.new_cache()
    for begin in range(0, len(data) - 1, chunk):
        ids = _ids(decoder, data[begin : begin + chunk + 1])
        logits = decoder.logits(decoder.read(ids[:, :-1], cache)).double()
        nats = -logits.log_softmax(-1).gather(2, ids[:, 1:, None])
        yield (nats / np.log(2)).view(-1).cpu().numpy()


@torch.no_grad()
def continue_bytes(
    decoder: FairseqDecoder,
    prompt: np.ndarray,
    length: int,
    strategy: Search,
    rows: int = 1,
    temperature: float = 1.0,
    chunk: int = CHUNK,
    valid_utf8: bool = True,
) -> list[tuple[float, bytes]]:
    """Continue `prompt` by `length` bytes; what a byte costs depends neither on the prompt nor on the bytes so far.

    Args:
        decoder: of a `ByteNetLM`.
        prompt: (N,), uint8, N >= 1, read in chunks of `chunk` bytes, each computed in parallel.
        length: bytes to add.
        strategy: fairseq's beam search, sampling, ...
        rows: hypotheses, or samples.
        temperature: by which logits are divided.
        valid_utf8: keep to bytes that make valid UTF-8 after the prompt, and end with a whole character where one fits.

    Returns:
        `rows` pairs, the most probable first: bits of the new bytes under the model (as tempered), and the bytes.

    Raises:
        UserError: an empty prompt.
    """
    if len(prompt) == 0:
        raise UserError("the prompt is empty: give at least one byte, such as a newline")
    cache = decoder.network.new_cache()
    for begin in range(0, len(prompt), chunk):
        column = decoder.read(_ids(decoder, prompt[begin : begin + chunk]), cache)[:, -1:]
    cache.reorder(torch.zeros(rows, dtype=torch.long, device=column.device))
    column = column.expand(rows, -1, -1)

    if valid_utf8:
        strategy = _keep_valid(decoder, strategy, length)
    last = _ids(decoder, prompt[-LOOKBACK:]).expand(rows, -1)
    scores = column.new_zeros(1, rows, dtype=torch.float)
    chosen, parents = [], []
    for step in range(length):
        log_probs = (decoder.logits(column)[:, -1].float() / temperature).log_softmax(-1)
        before = scores.unsqueeze(-1).expand(-1, -1, step or 1)  # a strategy reads the last step's alone
        found = strategy.step(step, log_probs.unsqueeze(0), before, last)
        scores, symbols, order = (best[:, :rows] for best in found)
        chosen.append(symbols[0])
        parents.append(order[0])
        cache.reorder(order[0])
        last = torch.cat([last[order[0]], symbols[0].unsqueeze(1)], dim=1)[:, -LOOKBACK:]
        column = decoder.read(symbols[0].unsqueeze(1), cache)
    return _trace(scores[0], chosen, parents)


def _keep_valid(decoder: FairseqDecoder, strategy: Search, length: int) -> ValidUTF8Search:
    """`strategy` kept to bytes that spell characters, the last of which ends within `length` bytes."""
    pieces = [b""] * SPECIALS + [bytes([byte]) for byte in range(BYTES)]
    bounds = BatchBounds()
    bounds.longest = torch.tensor([length + 1], device=decoder.output.weight.device)  # as if an end came after them
    return ValidUTF8Search(decoder.dictionary, strategy, PieceAutomaton(pieces), bounds)


def _ids(decoder: FairseqDecoder, data: np.ndarray) -> Tensor:
    return torch.from_numpy(data.astype(np.int64) + SPECIALS).unsqueeze(0).to(decoder.output.weight.device)


def _trace(scores: Tensor, chosen: list[Tensor], parents: list[Tensor]) -> list[tuple[float, bytes]]:
    """Follow every hypothesis back to its first byte; kept as links, a beam never copies its past."""
    row = torch.arange(len(scores), device=scores.device)
    symbols = []
    for symbol, parent in zip(reversed(chosen), reversed(parents), strict=True):
        symbols.append(symbol[row] - SPECIALS)
        row = parent[row]
    texts = torch.stack(symbols[::-1], dim=1).to(torch.uint8).cpu().numpy() if symbols else np.empty((len(scores), 0))
    found = [(-score / np.log(2), text.tobytes()) for score, text in zip(scores.tolist(), texts, strict=True)]
    return sorted(found, key=lambda hypothesis: hypothesis[0])
