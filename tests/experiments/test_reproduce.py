"""`fairseq-bbpe reproduce` from raw text to tables and figures, at a size of seconds."""

import json

import pytest
from conftest import run
from own_experiment import CORPORA, SCORES, SYSTEMS, command, make, root, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus):
    return make(tmp_path_factory.mktemp("my experiment"), corpus)


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


def test_a_vocabulary_may_be_learned_on_balanced_languages(folder, tmp_path):
    run("fairseq-bbpe", *command(folder, "balance"))
    assert {row["pieces"] for row in table(folder, "balance")} == {"300"}
    text = root(folder) / "corpora/de-en"
    output = tmp_path / "a"
    learn = ["learn", "--input", text / "train.src", text / "train.en", "--vocab-size", "300", "--output", output]
    run("fairseq-bbpe", *learn, "--balance", "5", "--languages", *[text / "train.lang"] * 2)
    balanced = (tmp_path / "a.model").read_bytes()
    assert (root(folder) / "data-bin/de-en.bbpe-300@5/bbpe.model").read_bytes() == balanced
    run("fairseq-bbpe", *learn)
    assert (tmp_path / "a.model").read_bytes() != balanced


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
    path = root(folder) / "systems/tuned/seed1/state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"origin": "another state of byte"}))
    run("fairseq-bbpe", *command(folder, "table8", "--systems", "tuned", "--updates", "2"))
    again = json.loads(path.read_text())
    assert (again["origin"], again["progress"]["updates"]) == (state["origin"], 2)


def test_a_row_whose_options_have_changed_is_left_out(table5, folder, tmp_path):
    """Its score is of a model that no one would get from the YAML as it is now."""
    edited = tmp_path / folder.name
    edited.mkdir()
    changed = SYSTEMS.replace('"bpe:32768", context: conv', '"bpe:300", context: none')
    (edited / "systems.yaml").write_text(changed, encoding="utf-8")
    (edited / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    own = ["--config", edited / "systems.yaml", "--data", folder / "data", "--output", folder / "runs"]
    shown = run("fairseq-bbpe", "reproduce", "table5", *own, "--systems", "byte")
    assert "bpe, seed 1] left out: its training has not ended, or was of other options" in shown.stderr
    assert {row["system"] for row in table(folder, "table5")} == {"byte"}
    run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte"))
    assert {row["system"] for row in table(folder, "table5")} == {"byte", "bpe"}


def test_figure_4_is_of_validation_and_drawn(folder):
    run("fairseq-bbpe", *command(folder, "figure4", "--systems", "bpe", "--epochs", "1", output="epochs"))
    rows = table(folder, "figure4", "epochs")
    assert {row["set"] for row in rows} == {"valid", "de", "fr"}
    # One pass over the sampled pairs is what every vocabulary sees then.
    assert {row["sentences_seen"] for row in rows} == {"400"}
    for metric in ("bleu", "chrf"):
        assert (root(folder, "epochs") / f"tables/figure4_{metric}.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_of_text(folder):
    shown = run("fairseq-bbpe", *command(folder, "table4")).stdout
    byte, bbpe = table(folder, "table4")
    assert float(bbpe["both"]) < float(byte["both"])
    assert f"| de-en | byte | 256 | {byte['source']} |" in shown
    refused = run("fairseq-bbpe", *command(folder, "table4", "--minutes", "3"), status=2)
    assert "--minutes: table4 trains nothing: leave it out" in refused.stderr
