"""A user's own experiment, of seconds: both YAML files, text, and the command that reproduces one of its tables."""

import csv
from itertools import cycle, islice

from conftest import run

SYSTEMS = """
corpora: corpora.yaml
scales:
  tiny:
    tokens: 400
    max_tokens: 400
    validate_every: 6
    updates: 6
    sample: {train: 400, test: 12}
    results: false
models:
  transformer:
    task: translation_bbpe
    context: true
    flags:
      arch: transformer_bbpe_ctx_tiny
      share-all-embeddings: true
      encoder-embed-dim: 16
      decoder-embed-dim: 16
      encoder-ffn-embed-dim: 16
      decoder-ffn-embed-dim: 16
      encoder-layers: 1
      decoder-layers: 1
      optimizer: adam
      lr: 0.01
      criterion: label_smoothed_cross_entropy
      label-smoothing: 0.1
      max-tokens-valid: 4000
    generate: {max-len-a: 0, max-len-b: 20}
systems:
  byte: &byte
    label: Byte
    corpus: de-en
    model: transformer
    vocabulary: byte
    context: none
    paper: {tiny: {all: 30, de: 12.5}}
  bpe: {label: BPE 32K, corpus: de-en, model: transformer, vocabulary: "bpe:32768", context: conv}
  balanced: {<<: *byte, label: Balanced, vocabulary: "bbpe:300@5"}
  tuned: {<<: *byte, label: Tuned, start: byte, train: [encoder]}
  asis: {<<: *byte, label: As it is, start: byte, train: []}
tables:
  table5: {title: A table, kind: translation, systems: [byte, bpe]}
  table8: {title: Transfer, kind: translation, systems: [tuned, asis]}
  balance: {title: Balance, kind: translation, systems: [balanced]}
  figure4: {title: A figure, kind: context, split: valid, systems: [byte, bpe]}
  table4: {title: Lengths, kind: lengths, corpora: [de-en], vocabularies: [byte, "bbpe:300"]}
"""
CORPORA = "corpora: {de-en: {source: src, target: en, languages: true, beam: 2}}"


def make(folder, corpus):
    """Write it into a folder, with a space in its name."""
    (folder / "systems.yaml").write_text(SYSTEMS, encoding="utf-8")
    (folder / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    data = folder / "data" / "de-en"
    data.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        for side in ("src", "en"):
            (data / f"{split}.{side}").write_bytes((corpus / f"{split}.{side}").read_bytes())
        lines = len((data / f"{split}.en").read_bytes().splitlines())
        (data / f"{split}.lang").write_text("".join(islice(cycle(["de\n", "de\n", "fr\n", "fr\n"]), lines)))
    return folder


def command(folder, table, *arguments, output="runs"):
    own = ["--config", folder / "systems.yaml", "--data", folder / "data", "--output", folder / output]
    return ["reproduce", table, *own, *arguments]


def root(folder, output="runs"):
    return folder / output / folder.name / "tiny"


def table(folder, name, output="runs"):
    with open(root(folder, output) / f"tables/{name}.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


SCORES = ("system", "seed", "set", "sentences", "bleu", "chrf", "invalid", "updates", "sentences_seen", "tokens_seen")


def scores(rows):
    return [tuple(row[key] for key in SCORES) for row in rows]


def refuse(*arguments):
    """The one line with which a command is refused."""
    said = run("fairseq-bbpe", *arguments, status=2).stderr
    assert said.startswith("fairseq-bbpe: error: ")
    assert said.count("\n") == 1
    return said
