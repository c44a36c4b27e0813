#!/usr/bin/env python3
"""From the scores of trained systems to the paper's table beside ours: `collect` makes TSV, `show` Markdown of it.
`check` looks at the table of systems before any work.

A row of the TSV is one cell of the table: a system on one test set or language. It holds the command, the seed and the
commit that computed it, and a checksum of the training text.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from pathlib import Path

FACTS = (
    *("data", "pairs", "pieces", "unknown", "parameters", "trained", "updates", "minutes"),
    *("train_tokens_s", "train_sentences_s", "generate_tokens_s", "generate_sentences_s"),
    *("hardware", "seed", "commit", "command"),
)
CELL = ("system", "label", "set", "sentences", "paper", "bleu", "difference", "chrf", "invalid")
COLUMNS = (
    *CELL,
    "scale",
    "corpus",
    "vocabulary",
    "context",
    "paper_params",
    *FACTS,
    "bleu_signature",
    "chrf_signature",
)
# The languages of the paper's Table 7, as TED's and other corpora may call them.
CODES = {"ara": "ar", "deu": "de", "heb": "he", "ita": "it", "aze": "az", "bel": "be", "glg": "gl", "slk": "sk"}


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV with a line of column names."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def figures(cells: str) -> dict[str, str]:
    """`set=figure set=figure` of systems.tsv as a dictionary, languages under both of their codes."""
    found = dict(cell.split("=") for cell in cells.split() if cell != "-")
    return found | {CODES[name]: figure for name, figure in found.items() if name in CODES}


def ends(languages: Path | None) -> list[str]:
    """The four languages with the most, and the four with the fewest training pairs; none without `languages`."""
    if languages is None:
        return []
    ordered = [language for language, _ in Counter(languages.read_text(encoding="utf-8").split()).most_common()]
    return ordered if len(ordered) <= 8 else ordered[:4] + ordered[-4:]


PATTERNS = {
    "corpus": "en-de|ja-en|x-en|si-en",
    "vocabulary": r"byte|char|(bbpe|bpe|fairseq):[1-9]\d*|(en-de|ja-en|x-en|si-en)/(byte|bbpe:[1-9]\d*)",
    "context": "none|conv|gru|-",
    "arch": "transformer|flores|bytenet|bytenet_v2",
    "trainable": r"-|all|none|(embed|encoder|decoder)(,(embed|encoder|decoder))*",
    "paper_base": r"-|\S+=[\d.]+M?( \S+=[\d.]+M?)*",
    "paper_big": r"-|\S+=[\d.]+M?( \S+=[\d.]+M?)*",
}


def refuse(problem: str) -> None:
    """Print what is wrong, where run.sh reads it, and end."""
    print(problem)
    sys.exit(1)


def check(args: argparse.Namespace) -> None:
    """Print what is wrong with the rows of these systems, and of those that they start from; exit 1 if anything is."""
    with open(args.systems, encoding="utf-8") as file:
        header, *rows = (line.rstrip("\n").split("\t") for line in file)
    found = {row[0]: row for row in rows}
    for name in args.names:
        chain = [name]
        while chain[-1] != "-":
            row = found.get(chain[-1])
            if row is None:
                refuse(f"{args.systems}: {chain[-2]} starts from {chain[-1]}, which is no system of it")
            if len(row) != len(header) or "" in row:
                refuse(f"{args.systems}: {chain[-1]} has not all of {len(header)} columns; - is nothing")
            cells = dict(zip(header, row, strict=True))
            for column, pattern in PATTERNS.items():
                if not re.fullmatch(pattern, cells[column]):
                    refuse(f"{args.systems}: {chain[-1]} has {column} {cells[column]}, not {pattern}")
            if (cells["trainable"] == "none") > (cells["pretrained"] != "-"):
                refuse(f"{args.systems}: {chain[-1]} neither trains nor starts from a trained system")
            if cells["pretrained"] in chain:
                refuse(f"{args.systems}: {chain[-1]} starts from {cells['pretrained']}, and that from it")
            chain.append(cells["pretrained"])


def collect(args: argparse.Namespace) -> None:
    """Print a row for each system on each test set; of the languages only the ends and those of the paper."""
    systems = {row["system"]: row for row in read(args.systems)}
    scale = args.output.name
    column = "paper_big" if scale == "big" else "paper_base"
    theirs_at_all = {each for name in args.names for each in figures(systems[name][column])}
    writer = csv.DictWriter(
        sys.stdout, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
    )
    writer.writeheader()
    for name in args.names:
        folder, system = args.output / "systems" / name, systems[name]
        facts = dict(line.split("\t") for line in (folder / "facts.tsv").read_text(encoding="utf-8").splitlines())
        paper = figures(system[column])
        scores = read(folder / "test.scores") if (folder / "test.scores").exists() else []
        if len(scores) == 2:  # one test set is all there are: by its name where the paper has it
            scores.pop(0 if scores[1]["group"] in paper else 1)
        if (folder / "valid.scores").exists():
            scores += [row | {"group": "valid"} for row in read(folder / "valid.scores")]
        if not paper.keys() & {row["group"] for row in scores}:
            # None of the paper's test sets: its first figure then stands beside all of ours.
            paper["all"] = next((figure for name, figure in paper.items() if name != "params"), "-")
        if args.languages and system["corpus"] == "x-en":
            shown = {"all", "valid", *ends(args.languages), *theirs_at_all}
            scores = [row for row in scores if row["group"] in shown]
        for row in scores:
            theirs = paper.get(row["group"], "-")
            cell = row | {"system": name, "set": row["group"], "scale": scale, "paper": theirs}
            cell["difference"] = f"{float(row['bleu']) - float(theirs):+.2f}" if theirs != "-" else "-"
            cell |= {key: system[key] for key in ("label", "corpus", "vocabulary", "context")}
            cell |= {"paper_params": paper.get("params", "-")} | facts
            writer.writerow({key: cell[key] for key in COLUMNS})


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table: the first column is text, the others are figures."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def show(args: argparse.Namespace) -> None:
    """Print the table as the paper has it, and what each system took."""
    rows = read(args.results)
    systems = list(dict.fromkeys(row["system"] for row in rows))
    sets = list(dict.fromkeys(row["set"] for row in rows))
    cells = {(row["system"], row["set"]): row for row in rows}
    first = {row["system"]: row for row in reversed(rows)}

    def line(system: str, cell) -> list[str]:
        return [
            first[system]["label"],
            *(cell(cells[system, each]) if (system, each) in cells else "" for each in sets),
        ]

    def beside_the_paper(row: dict[str, str]) -> str:
        return f"{row['paper']} / {row['bleu']} / {row['difference']}" if row["paper"] != "-" else row["bleu"]

    print("BLEU: the paper's (on its own, larger text) / ours / the difference; ours alone where the paper has none\n")
    print(table(["", *sets], [line(system, beside_the_paper) for system in systems]))
    print("chrF\n")
    print(table(["", *sets], [line(system, lambda row: row["chrf"]) for system in systems]))
    columns = {
        "pieces": "pieces",
        "unknown in test, %": "unknown",
        "recovered hypotheses": "invalid",
        "updates": "updates",
        "minutes": "minutes",
        "training, tokens/s": "train_tokens_s",
        "sentences/s": "train_sentences_s",
        "generation, tokens/s": "generate_tokens_s",
        "sentences/s ": "generate_sentences_s",
    }
    details = []
    for system in systems:
        row = first[system]
        ours = f"{int(row['parameters']) / 1e6:.1f}M"
        params = f"{row['paper_params']} / {ours}" if row["paper_params"] != "-" else ours
        trained = f"{int(row['trained']) / 1e6:.1f}M"
        details.append([row["label"], params, trained, *(row[key] for key in columns.values())])
    print("What it took (parameters: the paper's / ours)\n")
    print(table(["", "parameters", "trained", *columns], details))
    for row in {row["corpus"]: row for row in rows}.values():
        checksum = f", sha256 {row['data']}" if row["data"] else " of Unicode CLDR"
        print(f"{row['corpus']} at the scale {row['scale']}: {row['pairs']} training pairs{checksum}. ", end="")
    for name in ("hardware", "commit", "seed"):
        print(f"{name.capitalize()} {', '.join(dict.fromkeys(row[name] for row in rows))}. ", end="")
    sentences = ", ".join(
        f"{each} {cells[systems[0], each]['sentences']}" for each in sets if (systems[0], each) in cells
    )
    print(f"Sentences: {sentences}.\n\n`{rows[0]['bleu_signature']}`, `{rows[0]['chrf_signature']}`")
    print(f"\nThe first row again: `{rows[0]['command']}`")


def main() -> None:
    """Run `check`, `collect` or `show`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check", help=check.__doc__)
    checking.add_argument("--systems", type=Path, required=True, help="systems.tsv")
    checking.add_argument("names", nargs="+", help="systems")
    checking.set_defaults(run=check)
    collecting = commands.add_parser("collect", help=collect.__doc__)
    collecting.add_argument("--systems", type=Path, required=True, help="systems.tsv")
    collecting.add_argument("--output", type=Path, required=True, help="run.sh's DIR/SCALE")
    collecting.add_argument("--languages", type=Path, help="the language of each line of the training text")
    collecting.add_argument("names", nargs="+", help="systems")
    collecting.set_defaults(run=collect)
    showing = commands.add_parser("show", help=show.__doc__)
    showing.add_argument("results", type=Path, help="what `collect` printed")
    showing.set_defaults(run=show)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
