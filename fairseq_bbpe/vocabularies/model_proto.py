"""A serialised sentencepiece model as protobuf fields: what sentencepiece's Python interface does not tell or change.

Of sentencepiece_model.proto: ModelProto.pieces = 1 (SentencePiece: score = 2, type = 3, 1 where absent),
ModelProto.trainer_spec = 2 (TrainerSpec.model_type = 3, BPE = 2).
"""

from collections.abc import Iterator, Sequence
from typing import Any

_PIECES, _TRAINER_SPEC = 1, 2
_PIECE_TYPE, _NORMAL = 3, 1
_MODEL_TYPE, _BPE = 3, 2
_VARINT, _64_BITS, _BYTES, _32_BITS = 0, 1, 2, 5


def is_bpe(model: bytes) -> bool:
    """Whether the model merges pairs, and does nothing else."""
    (trainer_spec,) = [value for number, value, _ in _fields(model) if number == _TRAINER_SPEC]
    return _integer(trainer_spec, _MODEL_TYPE) == _BPE


def are_normal(model: bytes) -> list[bool]:
    """Whether each piece was learned: no meta piece, nor one that a user defined."""
    return [_integer(value, _PIECE_TYPE) in (None, _NORMAL) for number, value, _ in _fields(model) if number == _PIECES]


def reordered(model: bytes, order: Sequence[int]) -> bytes:
    """The model with its pieces in another order; BPE goes by the pieces' scores, so it segments as before.

    `order` has the old number of each piece.
    """
    fields = [(number, raw) for number, _, raw in _fields(model)]
    pieces = [raw for number, raw in fields if number == _PIECES]
    return b"".join([*(pieces[old] for old in order), *(raw for number, raw in fields if number != _PIECES)])


def _integer(message: bytes, wanted: int) -> int | None:
    found = [value for number, value, _ in _fields(message) if number == wanted]
    return found[-1] if found else None


def _fields(message: bytes) -> Iterator[tuple[int, Any, bytes]]:
    """Yield every field: its number, its value (int or bytes, as the field is), and the bytes that it takes."""
    start = 0
    value: int | bytes
    while start < len(message):
        key, end = _varint(message, start)
        wire = key & 7
        if wire == _VARINT:
            value, end = _varint(message, end)
        elif wire == _BYTES:
            size, end = _varint(message, end)
            value = message[end : end + size]
            end += size
        else:
            size = {_64_BITS: 8, _32_BITS: 4}[wire]
            value = message[end : end + size]
            end += size
        yield key >> 3, value, message[start:end]
        start = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
