"""BLEU and chrF of translations, on recovered text against raw references, as a whole and by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import symbols_to_bytes
from fairseq_bbpe.text.lines import read_lines

WHOLE = "all"


@dataclass(frozen=True)
class Hypotheses:
    """The best hypothesis of every sentence, in the order of the data: its text, and whether it had to be recovered.

    `invalid` is None where that is not known.
    """

    texts: list[str]
    invalid: list[bool] | None


class Score(NamedTuple):
    """BLEU (13a, case-sensitive) and chrF of a group of sentences, 0 to 100.

    Attributes:
        invalid: how many hypotheses were recovered; None where that is not known.
        brevity_penalty: BLEU's, 1 where the hypotheses together are as long as the references or longer.
    """

    group: str
    sentences: int
    bleu: float
    chrf: float
    invalid: int | None
    bleu_signature: str
    chrf_signature: str
    brevity_penalty: float


def read_hypotheses(path: str | Path) -> Hypotheses:
    """Read translations: text, a sentence a line, or the output of `fairseq-generate`.

    There sentences come in the order of their lengths; D- lines hold the text, H- lines the pieces, which spell bytes
    where the vocabulary is byte-level. A file that has neither is text, in which nothing tells what was recovered.

    Raises:
        UserError: no such file, an empty one, or output of `fairseq-generate` with holes.
    """
    texts: dict[int, str] = {}
    invalid: dict[int, bool] = {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                kind, _, rest = line.partition("-")
                number, _, rest = rest.rstrip("\n").partition("\t")
                if kind not in {"H", "D"} or not number.isdecimal():
                    continue  # what else it logs
                hypothesis = rest.partition("\t")[2]  # after its log-probability
                if kind == "H":
                    invalid.setdefault(int(number), not _is_text(hypothesis))
                else:
                    texts.setdefault(int(number), hypothesis)  # the first of --nbest
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: give what translate or fairseq-generate wrote") from None
    if not texts and not invalid:
        plain = [line.decode("utf-8", "replace") for line in read_lines(path)]
        if not plain:
            raise UserError(f"{path}: the file is empty: give what translate or fairseq-generate wrote")
        return Hypotheses(plain, None)
    if sorted(texts) != list(range(len(texts))) or texts.keys() != invalid.keys():
        raise UserError(f"{path}: output is incomplete: run fairseq-generate to completion")
    return Hypotheses([texts[number] for number in sorted(texts)], [invalid[number] for number in sorted(texts)])


def _is_text(pieces: str) -> bool:
    try:
        symbols_to_bytes(pieces.replace(" ", "")).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def score(hypotheses: Hypotheses, references: Sequence[str], groups: Sequence[str] = ()) -> Iterator[Score]:
    """Score all sentences, and then each group (such as a language or a test set) in order of appearance.

    Raises:
        UserError: unequal numbers of hypotheses, references and groups.

    >>> hypotheses = Hypotheses(["one two three four five", "ten"], [False, True])
    >>> [found[:5] for found in score(hypotheses, ["one two three four five", "11"], ["de", "fr"])][1:]
    [('de', 1, 100.0, 100.0, 0), ('fr', 1, 0.0, 0.0, 1)]
    """
    for name, lines in (("references", references), ("groups", groups)):
        if len(lines) != len(hypotheses.texts) and (lines or name == "references"):
            raise UserError(f"{len(hypotheses.texts)} hypotheses, {len(lines)} {name}: give the files of the same data")
    if WHOLE in groups:
        raise UserError(f"a group is called {WHOLE!r}, as are all sentences together: give it another name")
    members: dict[str, list[int]] = {WHOLE: list(range(len(references)))}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    for group, numbers in members.items():
        yield _score(group, hypotheses, references, numbers)


def _score(group: str, hypotheses: Hypotheses, references: Sequence[str], numbers: list[int]) -> Score:
    from sacrebleu.metrics import BLEU, CHRF

    said = [hypotheses.texts[number] for number in numbers]
    meant = [[references[number] for number in numbers]]
    bleu, chrf = BLEU(), CHRF()
    found = bleu.corpus_score(said, meant)
    return Score(
        group,
        len(numbers),
        round(found.score, 2),
        round(chrf.corpus_score(said, meant).score, 2),
        None if hypotheses.invalid is None else sum(hypotheses.invalid[number] for number in numbers),
        f"BLEU|{bleu.get_signature()}",
        f"chrF2|{chrf.get_signature()}",
        round(found.bp, 4),
    )
