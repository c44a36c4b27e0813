#!/usr/bin/env python3
"""Markdown of measured tables, with the paper's figures and the differences beside ours. Standard library only.

A table is tab-separated, with a line of column names. Where its first column is `corpus`, the second names the row, and
paper.tsv may know a figure for that item, corpus, row and column. Rows test_NAME are compared with the paper's `test`,
and fairseq:N, BBPE as fairseq's own example makes it, with the paper's bbpe:N. Other tables are printed as they are.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

Paper = dict[tuple[str, ...], str]


def read(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table."""
    with open(path, encoding="utf-8", newline="\n") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return header, rows


def paper_figures(path: str | Path, item: str) -> Paper:
    """What the paper says of one of its tables: (corpus, row, column) -> figure."""
    header, rows = read(path)
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    return {(c["corpus"], c["row"], c["column"]): c["figure"] for c in cells if c["table"] == item}


def difference(ours: str, paper: str) -> str:
    """Ours less the paper's, with as many decimals as the more exact of the two.

    >>> difference("40.25", "41"), difference("-", "41")
    ('-0.75', '-')
    """
    if "-" in (ours, paper):
        return "-"
    decimals = max(len(number.partition(".")[2]) for number in (ours, paper))
    return f"{float(ours) - float(paper):+,.{decimals}f}"


def cell(value: str) -> str:
    """A value as Markdown shows it as it is."""
    if re.fullmatch(r"\d{4,}", value):
        return f"{int(value):,}"
    escaped = value.replace("|", "\\|")
    if not re.search(r"[ `_*<]", value):
        return escaped
    return f"`` {escaped} ``" if "`" in value else f"`{escaped}`"


def beside(header: list[str], rows: list[list[str]], paper: Paper) -> tuple[list[str], list[list[str]]]:
    """The same table with two columns more for each one that the paper has a figure for."""
    known = {column for column in header[2:] if any(key[2] == column for key in paper)}
    wide = header[:2]
    for column in header[2:]:
        wide += [f"{column}: paper", "ours", "difference"] if column in known else [column]
    table = []
    for row in rows:
        name = re.sub("^test_.*", "test", row[1].replace("fairseq:", "bbpe:"))
        out = row[:2]
        for column, ours in zip(header[2:], row[2:], strict=True):
            theirs = paper.get((row[0], name, column), "-")
            out += [theirs, ours, difference(ours, theirs)] if column in known else [ours]
        table.append(out)
    return wide, table


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; what is text in all rows is aligned left."""
    numeric = [all(re.fullmatch(r"[-+\d.,%]+", row[i]) for row in rows) for i in range(len(header))]
    lines = [
        header,
        ["---:" if right else "---" for right in numeric],
        *([cell(value) for value in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run_table(paths: list[str]) -> tuple[list[str], list[list[str]]]:
    """How the tables came to be, a line for each corpus and commit: seconds of its parts are added."""
    header, merged = ["corpus", "sentences", "seconds", "commit"], {}
    for path in paths:
        for corpus, sentences, seconds, commit in read(path)[1]:
            row = merged.setdefault((corpus, commit), [corpus, sentences, "0", commit])
            row[2] = str(int(row[2]) + int(seconds))
    return header, list(merged.values())


def main() -> int:
    """Print the Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paper", required=True, metavar="FILE", help="paper.tsv")
    parser.add_argument("--item", required=True, metavar="NAME", help="the table in paper.tsv, such as table4")
    parser.add_argument("--title", required=True, help="heading")
    parser.add_argument("--table", required=True, nargs="+", metavar="FILE", help="measured tables")
    parser.add_argument("--runs", required=True, nargs="+", metavar="FILE", help="how they were measured")
    parser.add_argument("--only", metavar="COLUMN=VALUE,...", help="only the rows that have one of these values")
    args = parser.parse_args()

    paper = paper_figures(args.paper, args.item)
    column, _, values = (args.only or "").partition("=")
    print(f"## {args.title}\n")
    for path in args.table:
        header, rows = read(path)
        if args.only:
            rows = [row for row in rows if row[header.index(column)] in values.split(",")]
        if header[0] == "corpus":
            header, rows = beside(header, rows, paper)
        else:
            print(f"`{Path(path).name}`:\n")
        print(markdown(header, rows), end="\n\n")
    print(markdown(*run_table(args.runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
