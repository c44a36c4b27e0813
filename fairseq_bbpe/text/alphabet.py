"""256 bytes <-> 256 printable symbols, so that tools made for text can learn and segment bytes.

The choice of symbols decides how good a vocabulary can become: sentencepiece never merges across Unicode scripts. So
every byte of a multi-byte UTF-8 character becomes a *Latin letter*, as ASCII letters are; and no symbol is white space:

    0x21-0x7E  printable ASCII     itself
    0x80-0xFF  all of non-ASCII    U+0100-U+017F, the 128 letters of Latin Extended-A
    0x00-0x1F  control characters  U+2400-U+241F, their control pictures, and 0x7F U+2421
    0x20       space               U+2581, sentencepiece's own mark for it

Pieces can therefore be joined by real spaces, stored one sentence a line, and split again without loss.
"""

import codecs
import re

SPACE = "\u2581"

SYMBOLS = (
    "".join(chr(0x2400 + byte) for byte in range(0x20))
    + SPACE
    + "".join(chr(byte) for byte in range(0x21, 0x7F))
    + "\u2421"
    + "".join(chr(0x100 + byte - 0x80) for byte in range(0x80, 0x100))
)
"""The symbol of every byte, in the order of the bytes."""

# CPython encodes by a compact table only where byte 0 is written as NUL, and otherwise by a dict, 8 times slower.
_NUL_PICTURE = SYMBOLS[0]
_BYTES_OF = codecs.charmap_build("\0" + SYMBOLS[1:])


def bytes_to_symbols(data: bytes) -> str:
    """Write every byte as its symbol.

    >>> bytes_to_symbols("a é\\n".encode())
    'a▁Ńĩ␊'
    """
    return codecs.charmap_decode(data, "strict", SYMBOLS)[0]


def symbols_to_bytes(symbols: str) -> bytes:
    """Undo `bytes_to_symbols`; a character outside the alphabet, as a hypothesis may hold, gives its UTF-8 bytes.

    >>> symbols_to_bytes('a▁ŃĩƱ').decode()
    'a éƱ'
    """
    return codecs.charmap_encode(symbols.replace(_NUL_PICTURE, "\0"), _FOREIGN, _BYTES_OF)[0]


def are_symbols(pieces: str) -> bool:
    """Whether pieces joined by spaces hold no character outside the alphabet.

    >>> are_symbols("caf ŃĨ"), are_symbols("café")
    (True, False)
    """
    return not _OUTSIDE.search(pieces)


_OUTSIDE = re.compile(f"[^ {re.escape(SYMBOLS)}]")
_FOREIGN = "fairseq_bbpe.foreign_symbol"


def _own_utf8(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)  # an encoder's handler meets no other
    # surrogateescape: the bytes of a file that is not UTF-8 reach us as lone surrogates and leave as they came.
    foreign = error.object[error.start : error.end]
    try:
        return foreign.encode("utf-8", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return foreign.encode("utf-8", "replace"), error.end


codecs.register_error(_FOREIGN, _own_utf8)
