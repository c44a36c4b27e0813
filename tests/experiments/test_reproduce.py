"""`fairseq-bbpe reproduce` from raw text to tables, at a size of seconds; killed and resumed; and what it refuses."""

import csv
import json
import os
import random
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT, environment, run

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
  tuned: {<<: *byte, label: Tuned, start: byte, train: [encoder]}
  asis: {<<: *byte, label: As it is, start: byte, train: []}
tables:
  table5: {title: A table, kind: translation, systems: [byte, bpe]}
  table8: {title: Transfer, kind: translation, systems: [tuned, asis]}
  figure4: {title: A figure, kind: context, split: valid, systems: [byte, bpe]}
  table4: {title: Lengths, kind: lengths, corpora: [de-en], vocabularies: [byte, "bbpe:300"]}
"""
CORPORA = "corpora: {de-en: {source: src, target: en, languages: true, beam: 2}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus):
    """A user's own experiment, in a folder with a space: text, and both YAML files."""
    folder = tmp_path_factory.mktemp("my experiment")
    (folder / "systems.yaml").write_text(SYSTEMS, encoding="utf-8")
    (folder / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    data = folder / "data" / "de-en"
    data.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        for side in ("src", "en"):
            (data / f"{split}.{side}").write_bytes((corpus / f"{split}.{side}").read_bytes())
        lines = len((data / f"{split}.en").read_bytes().splitlines())
        (data / f"{split}.lang").write_text("de\nde\nfr\nfr\n" * (lines // 4))
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


@pytest.fixture(scope="module")
def table5(folder):
    """Two systems side by side."""
    return run("fairseq-bbpe", *command(folder, "table5", "--jobs", "2"))


def test_a_table_has_every_fact(table5, folder):
    rows = table(folder, "table5")
    byte = {row["set"]: row for row in rows if row["system"] == "byte"}
    assert (byte["all"]["paper"], byte["de"]["paper"], byte["all"]["sentences"]) == ("30", "12.5", "12")
    assert float(byte["all"]["difference"]) == pytest.approx(float(byte["all"]["bleu"]) - 30)
    assert byte["all"]["pieces"] == "256"
    assert {row["updates"] for row in rows} == {"6"}
    assert {row["invalid"] for row in rows if row["system"] == "bpe"} == {"-"}
    facts = ("hardware", "commit", "data", "seed", "minutes", "parameters", "train_tokens_s", "bleu_signature")
    assert all(row[fact] not in ("", "-", "0") for row in rows for fact in facts)
    shown = table5.stdout
    assert f"30 / {float(byte['all']['bleu']):.2f} / {float(byte['all']['difference']):+.2f}" in shown
    assert "nothing about translation" in shown
    assert (root(folder) / "tables/table5_bleu.png").read_bytes().startswith(b"\x89PNG")


def test_a_vocabulary_that_came_out_smaller_is_labelled_with_its_size(table5, folder):
    row = next(row for row in table(folder, "table5") if row["system"] == "bpe")
    assert int(row["pieces"]) < 32768
    assert row["label"] == f"BPE 32K ({int(row['pieces']):,} pieces)"


def test_sentences_and_tokens_seen_are_those_of_the_log(table5, folder):
    """The same updates are as many tokens, and more sentences for the coarser vocabulary; the table says so."""
    seen = {row["system"]: (int(row["sentences_seen"]), int(row["tokens_seen"])) for row in table(folder, "table5")}
    assert seen["bpe"][0] > 2 * seen["byte"][0]
    assert "sentences differ" in table5.stdout
    log = (root(folder) / "systems/byte/seed1/train.log").read_text(encoding="utf-8")
    end = [json.loads(line.split(" | train | ")[1]) for line in log.splitlines() if " | INFO | train | {" in line]
    assert seen["byte"][1] == pytest.approx(6 * float(end[-1]["train_wpb"]), rel=0.01)
    assert seen["byte"][0] == pytest.approx(6 * float(end[-1]["train_bsz"]), rel=0.01)


def test_what_is_done_is_not_done_again(table5, folder):
    again = run("fairseq-bbpe", *command(folder, "table5"))
    assert again.stdout == table5.stdout
    assert again.stderr == ""
    fewer = run("fairseq-bbpe", *command(folder, "table5", "--updates", "5"), status=2)
    assert "was trained for 6 updates, not 5 updates: give as many" in fewer.stderr


def test_a_row_comes_out_the_same_from_its_line_alone(table5, folder):
    row = next(row for row in table(folder, "table5") if row["set"] == "de" and row["system"] == "byte")
    words = row["command"].removeprefix("OMP_NUM_THREADS=1 fairseq-bbpe ").replace("DATA", "data").split()
    run("fairseq-bbpe", *command(folder, *_without_files(words)[1:], output="again"))
    (again,) = (r for r in table(folder, "table5", "again") if r["set"] == "de")
    same = [*SCORES, "pieces", "parameters", "data", "scale", "vocabulary", "bleu_signature"]
    assert {key: row[key] for key in same} == {key: again[key] for key in same}


def _without_files(words):
    """A row's command without --data and --config, whose folders another machine has elsewhere."""
    line = " ".join(words)
    config = line[line.index(" --config ") : line.index(" --systems ")]
    return line.replace(config, "").replace(" --data data", "").split()


def test_transfer_moves_only_what_is_named_and_begins_again_from_another_state(table5, folder):
    import torch

    def load(name):
        path = root(folder) / f"systems/{name}/seed1/checkpoint_best.pt"
        return torch.load(path, weights_only=False)["model"]

    run("fairseq-bbpe", *command(folder, "table8", "--updates", "4"))
    rows = {row["system"]: row for row in table(folder, "table8") if row["set"] == "all"}
    assert (rows["asis"]["updates"], rows["asis"]["trainable"], rows["tuned"]["updates"]) == ("0", "0", "4")
    assert 0 < int(rows["tuned"]["trainable"]) < int(rows["tuned"]["parameters"])
    before, after = load("byte"), load("tuned")
    frozen = [key for key in after if key.startswith("decoder.layers")]
    assert frozen
    assert all(torch.equal(before[key], after[key]) for key in frozen)
    assert not torch.equal(before["encoder.layers.0.fc1.weight"], after["encoder.layers.0.fc1.weight"])
    first, second = rows["tuned"]["command"].split(" && ")
    assert "--systems byte --seeds 1 --updates 6" in first
    assert "--systems tuned --seeds 1 --updates 4" in second
    origin = json.loads((root(folder) / "systems/tuned/seed1/state.json").read_text())["origin"]
    run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte", "--updates", "8"))
    run("fairseq-bbpe", *command(folder, "table8", "--systems", "tuned", "--updates", "2"))
    state = json.loads((root(folder) / "systems/tuned/seed1/state.json").read_text())
    assert state["origin"] != origin
    assert state["progress"]["updates"] == 2


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_moments_it_ends_with_the_same_table(folder, seed):
    """Every process is killed, in whatever it does; then the whole is run again until it ends."""
    arguments = command(folder, "table5", "--systems", "byte", "--updates", "30", "--seeds", "3")
    run("fairseq-bbpe", *arguments)
    moments, kills = random.Random(seed), 0
    arguments[arguments.index(folder / "runs")] = folder / "killed"
    while True:
        words = [BIN / "fairseq-bbpe", *map(str, arguments)]
        with subprocess.Popen(
            words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        ) as running:
            try:
                running.wait(moments.uniform(1, 9) if kills < 3 else None)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                kills += 1
                continue
            assert running.returncode == 0, running.stderr.read()[-2000:]
            break
    assert kills
    mine = [row for row in table(folder, "table5", "runs") if row["seed"] == "3"]
    assert scores(mine) == scores(table(folder, "table5", "killed"))
    assert mine[0]["updates"] == "30"


def test_a_parent_that_is_killed_takes_its_training_with_it(folder):
    words = [BIN / "fairseq-bbpe", *map(str, command(folder, "table5", "--systems", "byte", output="orphan"))]
    log = root(folder, "orphan") / "systems/byte/seed1/train.log"
    with subprocess.Popen([*words, "--updates", "100000"], env=environment(), stderr=subprocess.DEVNULL) as running:
        while not log.exists() and running.poll() is None:
            time.sleep(0.05)
        held = run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte", output="orphan"), status=2)
        assert "another run is at work in" in held.stderr
        running.kill()
    children = subprocess.run(["pgrep", "-f", str(log.parent)], capture_output=True, text=True)
    deadline = time.monotonic() + 20
    while children.stdout and time.monotonic() < deadline:
        time.sleep(0.2)
        children = subprocess.run(["pgrep", "-f", str(log.parent)], capture_output=True, text=True)
    assert children.stdout == ""


def test_an_interrupt_ends_all_and_is_no_traceback(folder):
    words = [BIN / "fairseq-bbpe", *map(str, command(folder, "table5", "--updates", "100000", "--jobs", "2"))]
    words[words.index(str(folder / "runs"))] = str(folder / "interrupted")
    logs = root(folder, "interrupted") / "systems"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment(), **pipes, preexec_fn=interruptible) as running:
        while not list(logs.glob("*/seed1/train.log")) and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said[1]
    assert subprocess.run(["pgrep", "-f", str(logs)], capture_output=True, text=True).stdout == ""


def interruptible():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_figure_4_is_of_validation_and_drawn(table5, folder):
    run("fairseq-bbpe", *command(folder, "figure4"))
    rows = table(folder, "figure4")
    assert {row["set"] for row in rows if row["system"] == "byte"} >= {"valid"}
    for metric in ("bleu", "chrf"):
        assert (root(folder) / f"tables/figure4_{metric}.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_of_text(folder):
    shown = run("fairseq-bbpe", *command(folder, "table4")).stdout
    byte, bbpe = table(folder, "table4")
    assert float(bbpe["both"]) < float(byte["both"])
    assert f"| de-en | byte | 256 | {byte['source']} |" in shown
    refused = run("fairseq-bbpe", *command(folder, "table4", "--minutes", "3"), status=2)
    assert "--minutes: table4 trains nothing: leave it out" in refused.stderr


def refuse(*arguments, status=2):
    said = run("fairseq-bbpe", *arguments, status=status).stderr
    assert said.startswith("fairseq-bbpe: error: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train.en": "one\n"}, "train.src has 2 lines, "),
        ({"valid.en": ""}, "valid.en: missing or empty"),
        ({"valid.lang": None}, "valid.lang: missing or empty"),
        ({"test.src": None}, "test.src: missing, and no test_NAME.src either"),
        ({"test.src": "x" * 4001 + "\nx\n"}, "test.src, line 1: longer than 4000 bytes"),
        ({"train.lang": "de\r\nde\r\n"}, "train.lang: its lines end in carriage returns"),
    ],
    ids=str,
)
def test_text_that_is_not_whole_is_refused_before_any_work(files, words, folder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "valid", "test"):
        for side in ("src", "en", "lang"):
            (data / f"{split}.{side}").write_text("a line\na line\n")
    for name, text in files.items():
        if text is None:
            (data / name).unlink()
        else:
            (data / name).write_text(text, newline="")
    own = ["--config", folder / "systems.yaml", "--data", data, "--output", tmp_path / "runs"]
    assert words in refuse("reproduce", "table5", *own)
    assert not list(tmp_path.glob("runs/*/tiny/data-bin"))


def test_other_text_and_other_options_are_refused(table5, folder, tmp_path):
    other = ["--config", folder / "systems.yaml", "--output", folder / "runs", "--data", tmp_path]
    assert f"was made from {folder / 'data'}, not from {tmp_path}" in refuse("reproduce", "table5", *other)
    edited = tmp_path / folder.name / "systems.yaml"
    edited.parent.mkdir()
    edited.write_text(SYSTEMS.replace("lr: 0.01", "lr: 0.02"), encoding="utf-8")
    (edited.parent / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    changed = ["--config", edited, "--output", folder / "runs", "--data", folder / "data"]
    assert "was trained with other options: remove it" in refuse("reproduce", "table5", *changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lr: 0.01", "learning-rate: 0.01"), "systems.byte: fairseq-train would say: unrecognized arguments: --learn"),
        (("lr: 0.01", "lr: quick"), "systems.byte: fairseq-train would say: "),
        (("corpus: de-en", "corpus: fr-en"), "systems.byte.corpus: fr-en: corpora.yaml has de-en"),
        (("updates: 6", "batches: 6"), "scales.tiny.batches: Key 'batches' not in 'Scale'; give tokens"),
    ],
    ids=["unknown flag", "wrong value", "corpus", "scale"],
)
def test_a_mistake_in_the_yaml_is_found_before_any_work(change, words, folder, tmp_path):
    (tmp_path / "systems.yaml").write_text(SYSTEMS.replace(*change), encoding="utf-8")
    (tmp_path / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    own = ["--config", tmp_path / "systems.yaml", "--data", folder / "data", "--output", tmp_path / "runs"]
    assert words in refuse("reproduce", "table5", *own)
    assert not list(tmp_path.glob("runs/*/tiny/data-bin"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table9"], "table9: no such table; choose from table1, "),
        (["table3"], "table3: in both papers: give bbpe/table3 or bytenet/table3"),
        (["table5", "--systems", "en-de/words"], "--systems en-de/words: no system of"),
        (["table5", "--data", "/nowhere"], "--data /nowhere: no such folder"),
        (["table5", "--output", "a,b"], "--output a,b: fairseq splits paths at commas and colons"),
        (["table5", "--scale", "base", "--gpus", "0", "--config", "/nowhere"], "--config /nowhere: No such file"),
        (["bytenet/table3", "--scale", "big"], "--scale big: "),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line(arguments, words, tmp_path):
    if "--output" not in arguments:
        arguments = [*arguments, "--output", str(tmp_path)]
    assert words in refuse("reproduce", *arguments)


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("b*/*.sh")), ids=lambda path: path.name)
def test_every_script_is_short_and_shows_its_one_command(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 60
    words = {"table1_complexity": "--path-lengths", "download": "corpora.yaml"}
    shown = subprocess.run(["bash", script, "--help"], capture_output=True, text=True, check=True).stdout
    assert words.get(script.stem, "examples/bbpe/systems.yaml") in shown
