"""The one writer of all tables: TSV with every figure, Markdown with the paper's beside ours, and the plots."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Section = tuple[str, Sequence[str], Sequence[Sequence[Any]]]


class Name(str):
    """A word that may look like a number, such as a commit."""


@dataclass
class Report:
    """A table or figure: its title, tables by the ends of their names, sections of Markdown, and notes below."""

    title: str
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]
    sections: Sequence[Section]
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path, item: str) -> str:
        """Write ITEM.md and ITEM.tsv (or ITEM.NAME.tsv) whole, and return the Markdown."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, (header, rows) in self.tables.items():
            part = folder / f".{item}.part"
            with open(part, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
                writer.writerows([header, *rows])
            part.replace(folder / f"{item}{'.' * bool(name)}{name}.tsv")
        text = f"## {self.title}\n"
        for heading, header, rows in self.sections:
            text += f"\n{heading}\n" * bool(heading) + f"\n{markdown(header, rows)}\n"
        text += "".join(f"\n{note}\n" for note in self.notes)
        part = folder / f".{item}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / f"{item}.md")
        return text


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown; columns of figures are aligned right.

    >>> print(markdown(["system", "BLEU"], [["a|b", 1234], ["c", -0.5]]))
    | system | BLEU |
    | --- | ---: |
    | a\\|b | 1,234 |
    | c | -0.5 |
    """
    shown = [[cell(value) for value in row] for row in rows]
    figures = [
        all(re.fullmatch(r"[-+±\d., %/M]*|-", row[i]) for row in shown) and any(row[i] != "" for row in shown)
        for i in range(len(header))
    ]
    lines = [header, ["---:" if right else "---" for right in figures], *shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """A value as Markdown shows it as it is.

    >>> cell(871911), cell(Name("871911"))
    ('871,911', '871911')
    """
    text = str(value)
    if re.fullmatch(r"\d{4,}", text) and not isinstance(value, Name):
        return f"{int(text):,}"
    escaped = text.replace("|", "\\|")
    if not re.search(r"[`_*<]|^ | $", text):
        return escaped
    return f"`` {escaped} ``" if "`" in text else f"`{escaped}`"


def difference(ours: str, paper: str) -> str:
    """Ours less the paper's, with as many decimals as the more exact of the two.

    >>> difference("40.25", "41"), difference("-", "41")
    ('-0.75', '-')
    """
    if "-" in (ours, paper):
        return "-"
    decimals = max(len(number.partition(".")[2]) for number in (ours, paper))
    return f"{float(ours) - float(paper):+,.{decimals}f}"
