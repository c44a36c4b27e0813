#!/usr/bin/env python3
"""Table 2 of the ByteNet paper with our figure beside it: table2.md, and table2.tsv with what it took in every line."""

import argparse
import csv
from pathlib import Path

PAPER = {
    "Stacked LSTM (Graves, 2013)": "1.67",
    "GF-LSTM (Chung et al., 2015)": "1.58",
    "Grid-LSTM (Kalchbrenner et al., 2016a)": "1.47",
    "Layer-normalized LSTM (Chung et al., 2016a)": "1.46",
    "MI-LSTM (Wu et al., 2016b)": "1.44",
    "Recurrent Highway Networks (Srivastava et al., 2015)": "1.42",
    "Recurrent Memory Array Structures (Rocki, 2016)": "1.40",
    "HM-LSTM (Chung et al., 2016a)": "1.40",
    "Layer Norm HyperLSTM (Ha et al., 2016)": "1.38",
    "Large Layer Norm HyperLSTM (Ha et al., 2016)": "1.34",
    "ByteNet Decoder": "1.33",
}
COLUMNS = ("model", "paper, enwik8", "ours", "difference")


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=Path, required=True, help="file with our bits/byte")
    parser.add_argument("--baselines", type=Path, help="what `fairseq-bbpe lm baselines` printed")
    parser.add_argument("--facts", type=Path, required=True, help="TSV of names and values")
    parser.add_argument("--tables", type=Path, required=True, help="folder for table2.md and table2.tsv")
    args = parser.parse_args()
    facts = dict(line.split("\t") for line in args.facts.read_text(encoding="utf-8").splitlines())
    ours = float(args.bits.read_text())
    rows = [(model, figure, "-", "-") for model, figure in PAPER.items()]
    rows[-1] = ("ByteNet Decoder", "1.33", f"{ours:.4f}", f"{ours - 1.33:+.4f}")
    if args.baselines:
        compressors = [line.split("\t") for line in args.baselines.read_text(encoding="utf-8").splitlines()]
        rows += [(name, "-", bits, "-") for name, bits in compressors]
    with open(args.tables / "table2.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow([*COLUMNS, *facts])
        writer.writerows([*row, *facts.values()] for row in rows)
    lines = [COLUMNS, ("---", *["---:"] * 3), *rows]
    text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    text += f"""
Bits/byte on the last {int(facts["test bytes"]):,} of {int(facts["bytes"]):,} bytes of {facts["data"]} (sha256
{facts["sha256"]}...). The paper's figures are on the last 5 MB of enwik8, and compare with ours only where that is the
file. `{facts["arch"]}`, {facts["updates"]} updates, {int(facts["seconds"]) / 60:.1f} minutes,
{int(facts["bytes trained on"]):,} bytes that counted. Hardware {facts["hardware"]}. Commit {facts["commit"]}.

`{facts["command"]}`
"""
    (args.tables / "table2.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
