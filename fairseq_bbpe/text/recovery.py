"""Any bytes -> the most valid characters (Eq. 1 of the BBPE paper): what a model generates need not be UTF-8.

Eq. 1 finds the most characters over all ways to cut the bytes: f(k) = max over t = 1..4 of f(k-t) + g(k-t+1, k).
Valid UTF-8 characters never overlap: lead and trailing bytes are disjoint sets, and the lead byte tells the length.
So they do not compete, the one optimum takes all of them and drops every other byte, and a single pass finds it:
exactly what Python's UTF-8 decoder does, in C, under ``errors="ignore"``. `recover_by_dynamic_programming` is Eq. 1 as
printed, to compare with.
"""

import re

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import symbols_to_bytes

ON_INVALID = ("recover", "replace", "strict")

_INVALID_RUN = re.compile("[\udc80-\udcff]+")


def recover(data: bytes, on_invalid: str = "recover") -> str:
    """Decode every valid UTF-8 character of `data`; bytes that belong to none are dropped (Eq. 1).

    on_invalid: ``recover`` drops them silently, ``replace`` leaves one U+FFFD for each longest run of them, and
    ``strict`` raises `UserError` naming the byte offset (from 0) of the first one.

    >>> broken = "日本".encode()[:-1] + b"!"
    >>> recover(broken), recover(broken, "replace")
    ('日!', '日�!')
    """
    if on_invalid == "recover":
        return data.decode("utf-8", "ignore")
    if on_invalid == "replace":
        # surrogateescape turns each dropped byte into a lone surrogate, which no valid UTF-8 character is.
        return _INVALID_RUN.sub("\ufffd", data.decode("utf-8", "surrogateescape"))
    if on_invalid != "strict":
        raise UserError(f"on_invalid is {on_invalid!r}: choose one of {', '.join(ON_INVALID)}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"byte {error.start} (0x{data[error.start]:02X}) belongs to no valid UTF-8 character:"
            " choose 'recover' or 'replace' to go on without it"
        ) from None


def recover_by_dynamic_programming(data: bytes) -> str:
    """Eq. 1 as printed, with back-tracking; slow, the reference that `recover` is compared with.

    >>> recover_by_dynamic_programming(bytes.fromhex("E697 E697A5 80"))
    '日'
    """
    most = [0]  # f(k): the most characters in the first k bytes
    chosen = [0]  # t of the character that ends at k in that optimum, 0 where byte k is dropped
    for k in range(1, len(data) + 1):
        # Without a character that ends here the optimum is that of k-1: g = 0 at t = 1, and f never falls.
        best, best_t = most[k - 1], 0
        for t in range(1, min(4, k) + 1):
            if _is_character(data[k - t : k]) and most[k - t] + 1 > best:
                best, best_t = most[k - t] + 1, t
        most.append(best)
        chosen.append(best_t)

    characters = []
    k = len(data)
    while k:
        characters.append(data[k - chosen[k] : k].decode("utf-8"))
        k -= chosen[k] or 1
    return "".join(reversed(characters))


def _is_character(data: bytes) -> bool:
    """g(i, j) of Eq. 1."""
    try:
        return len(data.decode("utf-8")) == 1
    except UnicodeDecodeError:
        return False


# Where str.splitlines or a text-mode file breaks a line, and the last separator: fairseq keeps one sentence a line.
# Control bytes are no part of a longer character, so they can be exchanged before decoding, which is faster.
_BREAKING_BYTES = b"\n\v\f\r\x1c\x1d\x1e\x1f"
_BREAKS_TO_SPACES = bytes.maketrans(_BREAKING_BYTES, b" " * len(_BREAKING_BYTES))
_BREAKING_CHARACTERS = "\x85\u2028\u2029"


def pieces_to_text(pieces: str, on_invalid: str = "recover") -> str:
    """Turn a hypothesis, pieces joined by spaces, into one line: characters at which a reader may split become spaces.

    >>> pieces_to_text("two ▁lin es ␊ Ŧė ĥ Ŧ")
    'two lines 日'
    """
    text = recover(symbols_to_bytes(pieces.replace(" ", "")).translate(_BREAKS_TO_SPACES), on_invalid)
    for character in _BREAKING_CHARACTERS:
        text = text.replace(character, " ")
    return text
