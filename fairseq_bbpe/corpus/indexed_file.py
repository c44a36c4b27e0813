"""fairseq's indexed files (`--dataset-impl mmap`), written without fairseq, which took most of `prepare`'s time.

PREFIX.bin has the ids of all sentences one after another, each sentence with </s>. PREFIX.idx has a header, how many
sentences there are, the length of each in ids, and where each begins, in bytes.
"""

import struct
from array import array
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from fairseq_bbpe.vocabularies.model_file import FAIRSEQ_SPECIALS

MAGIC, VERSION = b"MMIDIDX\x00\x00", 1
END, UNKNOWN = FAIRSEQ_SPECIALS.index("</s>"), FAIRSEQ_SPECIALS.index("<unk>")
# fairseq's choice: two bytes an id up to so many symbols, four above; and the number by which it knows each type.
TWO_BYTES, FOUR_BYTES = ("H", 8), ("I", 9)
MOST_IN_TWO_BYTES = 65_499


def numbered(pieces: Iterable[str]) -> dict[str, int]:
    """The ids that fairseq gives to the pieces of a dict.txt, which follow its four special symbols.

    A piece that is spelled like a special symbol is a symbol of its own (#fairseq:overwrite).
    """
    return {piece: number for number, piece in enumerate(pieces, start=len(FAIRSEQ_SPECIALS))}


def write_indexed(prefix: Path, blocks: Iterable[list[str]], ids: dict[str, int]) -> tuple[array, int]:
    """Write PREFIX.bin and PREFIX.idx of lines of pieces, as fairseq-preprocess does with that dictionary.

    But for a piece that the dictionary lacks and that is spelled like a special symbol, such as `</s>` in a vocabulary
    of characters, which is <unk> here as any other: fairseq would end the sentence there.

    Args:
        blocks: many lines at a time, each of pieces joined by spaces
        ids: of all pieces; another piece becomes <unk>

    Returns:
        the length of each line in ids, </s> among them, and how many ids are <unk>
    """
    kind, code = TWO_BYTES if len(FAIRSEQ_SPECIALS) + len(ids) <= MOST_IN_TWO_BYTES else FOUR_BYTES
    lengths, unknown = array("i"), 0
    with open(f"{prefix}.bin", "wb") as file:
        for block in blocks:
            written = array(kind)
            for line in block:
                before = len(written)
                written.extend([ids.get(piece, UNKNOWN) for piece in line.split()])
                written.append(END)
                lengths.append(len(written) - before)
            unknown += written.count(UNKNOWN)
            written.tofile(file)
    starts = array("q", accumulate((length * array(kind).itemsize for length in lengths), initial=0))
    with open(f"{prefix}.idx", "wb") as file:
        file.write(struct.pack("<9sQBQ", MAGIC, VERSION, code, len(lengths)))
        lengths.tofile(file)
        starts[:-1].tofile(file)
    return lengths, unknown
