"""What the YAML calls a vocabulary: what is learned, how, and on which corpus."""

from __future__ import annotations

import re
from typing import NamedTuple

from fairseq_bbpe.errors import UserError

VOCABULARY = re.compile(
    r"(?:(?P<of>[\w-]+)/)?(?P<spec>byte|char|(?P<kind>bbpe|bpe|fairseq):(?P<size>[1-9]\d*))(?:@(?P<balance>[1-9]\d*))?"
)


class VocabularyName(NamedTuple):
    """What the YAML calls a vocabulary.

    Attributes:
        of: the corpus that it is learned on, where that is another.
        spec: what is learned, as `fairseq-bbpe prepare --vocab` takes it.
        kind: byte, char, bbpe, bpe or fairseq.
        size: pieces asked for, of kinds that have a size.
        balance: the temperature T that languages are drawn with to learn it (`fairseq-bbpe learn --balance`).
    """

    of: str | None
    spec: str
    kind: str
    size: int | None
    balance: int | None


def parse_vocabulary(text: str | None, where: str = "vocabulary") -> VocabularyName:
    """What is learned, how, and on which corpus.

    >>> parse_vocabulary("x-en/bbpe:4096@5")
    VocabularyName(of='x-en', spec='bbpe:4096', kind='bbpe', size=4096, balance=5)
    >>> parse_vocabulary("byte")
    VocabularyName(of=None, spec='byte', kind='byte', size=None, balance=None)
    """
    found = VOCABULARY.fullmatch(text or "none")
    if found is None:
        raise UserError(
            f"{where}: {text}: give byte, char, bbpe:N, bpe:N, fairseq:N, or CORPUS/ before one of them, "
            "or bbpe:N@T, of languages balanced with a temperature T"
        )
    size, balance = (None if found[part] is None else int(found[part]) for part in ("size", "balance"))
    name = VocabularyName(found["of"], found["spec"], found["kind"] or found["spec"], size, balance)
    if name.kind == "bbpe" and name.size is not None and name.size < 256:
        raise UserError(f"{where}: {text}: a byte-level vocabulary holds all 256 bytes, so give bbpe:256 or more")
    if name.balance is not None and name.kind != "bbpe":
        raise UserError(f"{where}: {text}: only bbpe:N is learned on balanced languages: leave out @{name.balance}")
    return name
