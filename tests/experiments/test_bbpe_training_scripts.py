"""The scripts of the papers' training tables from raw text to the table, on short paths; and their refusals."""

import csv
import os
import re
import signal
import subprocess
import time

import pytest
import torch
from conftest import BIN, ROOT, environment

SHORT = ["--updates", "4"]


def script(name, *arguments):
    path = {**environment(), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["bash", ROOT / "examples" / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=path)


def table(output, name):
    with open(output / f"tiny/tables/{name}.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def passed(name, *arguments):
    finished = script(name, *arguments)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-3000:]
    return finished


def refused(name, *arguments):
    """Run a script that must refuse, and return the one line that it says."""
    finished = script(name, *arguments)
    assert finished.returncode == 2, finished.stdout[-2000:] + finished.stderr[-3000:]
    assert finished.stderr.count("\n") == 1, finished.stderr
    assert finished.stderr.startswith(f"{name.rpartition('/')[2]}: ")
    return finished.stderr


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("the tables")  # with a space: every path in the scripts is quoted


@pytest.fixture(scope="module")
def figure4(output):
    """Figure 4 with two systems, of which one is also in Table 7."""
    path = ["--output", output, *SHORT, "x-en/bbpe4k+", "x-en/bbpe4k"]
    return passed("bbpe/figure4_contextualisation.sh", *path)


def test_table5(output):
    shown = passed("bbpe/table5_en_de.sh", "--output", output, *SHORT, "en-de/bpe32k").stdout
    (row,) = table(output, "table5")
    assert (row["system"], row["set"], row["paper"], row["updates"]) == ("en-de/bpe32k", "all", "27.31", "4")
    assert float(row["difference"]) == pytest.approx(float(row["bleu"]) - 27.31, abs=0.005)
    assert 256 < int(row["pieces"]) < 32768  # as many as so little text supports
    assert f"| BPE 32K | 27.31 / {row['bleu']} / {row['difference']} |" in shown
    assert row["bleu_signature"] in shown


def test_table6(output):
    passed("bbpe/table6_ja_en.sh", "--output", output, *SHORT, "ja-en/byte+")
    (row,) = table(output, "table6")
    assert (row["pieces"], row["unknown"], row["paper"]) == ("256", "0.0", "16.27")
    assert int(row["invalid"]) <= int(row["sentences"])


def test_figure4_is_drawn(output, figure4):
    for metric in ("bleu", "chrf"):
        assert (output / f"tiny/tables/figure4_{metric}.png").read_bytes().startswith(b"\x89PNG")
    rows = table(output, "figure4_valid")
    assert [(row["context"], row["set"]) for row in rows] == [("gru", "valid"), ("none", "valid")]


def test_table7_trains_nothing_again_and_has_the_languages_at_the_ends(output, figure4):
    finished = passed("bbpe/table7_x_en.sh", "--output", output, *SHORT, "x-en/bbpe4k+")
    assert "Training" not in finished.stderr
    rows = {row["set"]: row for row in table(output, "table7")}
    train = (output / "tiny/corpora/x-en/train.lang").read_text().split()
    ends = sorted(set(train), key=train.count)
    assert {"all", ends[0], ends[-1], "ar", "de", "he"} <= rows.keys()
    assert (rows["ar"]["paper"], rows["all"]["paper"]) == ("30.64", "29.74")
    assert all(
        re.fullmatch(r"OMP_NUM_THREADS=1 bash examples/bbpe/run.sh .*x-en/bbpe4k\+", rows[s]["command"]) for s in rows
    )
    assert all(rows["all"][fact] for fact in ("seed", "commit", "parameters", "generate_tokens_s", "train_sentences_s"))


def test_a_row_comes_out_the_same_from_its_command(output, figure4, tmp_path):
    before = next(row for row in table(output, "figure4") if row["system"] == "x-en/bbpe4k")
    command = before["command"].split(" bash examples/")[1].split()
    passed(command[0], "--output", tmp_path, *command[1:])
    after = next(row for row in table(tmp_path, "systems") if row["set"] == before["set"])
    same = (
        "system",
        "set",
        "sentences",
        "bleu",
        "chrf",
        "invalid",
        "pieces",
        "parameters",
        "updates",
        "seed",
        "command",
    )
    assert {key: before[key] for key in same} == {key: after[key] for key in same}


def test_table8_moves_only_what_is_named(output):
    names = ["si-en/from-x-en.none", "si-en/from-x-en.enc"]
    passed("bbpe/table8_transfer.sh", "--output", output, *SHORT, *names)
    rows = {row["system"]: row for row in table(output, "table8")}
    assert list(rows) == names
    assert {row["unknown"] for row in rows.values()} == {"0.0"}
    assert rows[names[0]]["trained"] == "0"
    assert 0 < int(rows[names[1]]["trained"]) < int(rows[names[1]]["parameters"])
    before, after = (
        torch.load(output / f"tiny/systems/{name}/checkpoint_best.pt", weights_only=False)["model"]
        for name in ("x-en/bbpe4k+flores", names[1])
    )
    assert before.keys() == after.keys()
    for key, value in after.items():
        frozen = key.startswith("decoder.") or "embed_tokens" in key
        if frozen and "_float_tensor" not in key:  # fairseq's uninitialised memory
            assert torch.equal(value, before[key]), key
    assert not torch.equal(after["encoder.layers.0.fc1.weight"], before["encoder.layers.0.fc1.weight"])


def test_what_was_tuned_from_an_earlier_state_is_tuned_again(output, tmp_path):
    """Or its frozen parts would be of a model that is not there any more."""
    transfer = ["bbpe/table8_transfer.sh", "--output", tmp_path, "si-en/from-x-en.enc"]
    systems = tmp_path / "tiny/systems"
    for updates in ("2", "5"):
        passed(*transfer, "--updates", updates)
        pretrained, tuned = (
            torch.load(systems / name / "checkpoint_best.pt", weights_only=False)["model"]
            for name in ("x-en/bbpe4k+flores", "si-en/from-x-en.enc")
        )
        assert torch.equal(pretrained["encoder.embed_tokens.weight"], tuned["encoder.embed_tokens.weight"])
    (row,) = table(tmp_path, "table8")
    assert row["updates"] == "5"
    said = refused(*transfer, "--updates", "3")
    assert "was trained for 5 updates: give as many or more" in said


def test_bytenet_table3(output):
    passed("bytenet/table3_en_de.sh", "--output", output, *SHORT, "en-de/bytenet")
    (row,) = table(output, "table3")
    assert (row["paper"], row["vocabulary"]) == ("18.9", "char")


def test_bytenet_figures(output):
    passed("bytenet/figure5_lengths.sh", "--output", output)
    assert re.search(r"\| test \| 0\.\d+ \|", (output / "tiny/tables/figure5.md").read_text(encoding="utf-8"))
    passed("bytenet/figure6_gradients.sh", "--output", output, *SHORT)
    for name in ("figure5_test", "figure6_gradients"):
        assert (output / f"tiny/tables/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "unknown argument" in refused("bytenet/figure5_lengths.sh", "--fast")


def test_a_killed_training_goes_on(output, tmp_path):
    command = ["bash", ROOT / "examples/bbpe/run.sh", "--output", tmp_path, "--updates", "60", "en-de/byte+"]
    run = tmp_path / "tiny/systems/en-de/byte+"
    path = {**environment(), "PATH": f"{BIN}:{os.environ['PATH']}"}
    null = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=null, stderr=null, env=path, start_new_session=True) as running:
        try:
            while running.poll() is None and not (run / "checkpoint_last.pt").exists():
                time.sleep(0.05)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
    assert not (run / "trained").exists()
    passed("bbpe/run.sh", *command[2:])
    assert "Loaded checkpoint" in (run / "train.log").read_text(encoding="utf-8")
    (row,) = table(tmp_path, "systems")
    assert row["updates"] == "60"


def corpus(folder, train=(3, 3), **others):
    """Raw En-De files with so many lines."""
    folder.mkdir()
    for split, (source, target) in {"train": train, "valid": (2, 2), "test": (2, 2), **others}.items():
        (folder / f"{split}.en").write_text("a line\n" * source)
        (folder / f"{split}.de").write_text("eine Zeile\n" * target)
    return folder


def test_unequal_sides_are_refused_before_any_work(tmp_path):
    data = corpus(tmp_path / "data", train=(3, 2))
    said = refused("bbpe/table5_en_de.sh", "--output", tmp_path / "out", "--data", data)
    assert "train.en has 3 lines, train.de has 2: give parallel files" in said
    assert not (tmp_path / "out/tiny/systems").exists()


def test_a_missing_language_file_is_named(tmp_path):
    data = corpus(tmp_path / "data")
    (data / "valid.de").unlink()
    said = refused("bbpe/table5_en_de.sh", "--output", tmp_path / "out", "--data", data)
    assert f"{data}/valid.de: missing or empty" in said
    assert "train.src: missing" in refused("bbpe/table7_x_en.sh", "--output", tmp_path / "out", "--data", data)


def test_text_that_changed_and_other_text_are_refused(tmp_path):
    data, output = corpus(tmp_path / "data"), tmp_path / "out"
    assert script("bbpe/run.sh", "--output", output, "--data", data, *SHORT, "en-de/byte+").returncode == 0
    (data / "test.en").write_text("another line\n" * 2)
    said = refused("bbpe/run.sh", "--output", output, "--data", data, *SHORT, "en-de/byte+")
    assert f"{data} is not what it was" in said
    other = corpus(tmp_path / "other")
    assert f"was made from {data}" in refused("bbpe/run.sh", "--output", output, "--data", other, "en-de/byte+")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test.en": "x" * 4001 + "\n\n"}, "test.en, line 1: longer than 4000 bytes"),
        ({"test.en": "", "test.de": ""}, "missing or empty"),
    ],
)
def test_text_that_no_model_could_read_is_refused(change, words, tmp_path):
    data = corpus(tmp_path / "data")
    for name, text in change.items():
        (data / name).write_text(text)
    assert words in refused("bbpe/table5_en_de.sh", "--output", tmp_path / "out", "--data", data)


def test_languages_with_carriage_returns_are_refused(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "valid", "test"):
        for side, line in (("src", "eine Zeile\n"), ("en", "a line\n"), ("lang", "deu\r\n")):
            (data / f"{split}.{side}").write_text(line * 3, newline="")
    assert "carriage returns" in refused("bbpe/table7_x_en.sh", "--output", tmp_path / "out", "--data", data)


GOOD = "x\tt\tX\tx-en\tbyte\tgru\ttransformer\t-\t-\t-\t-\t-"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (GOOD.replace("\tgru", ""), "x has not all of 12 columns"),
        (GOOD.replace("x-en", "fr-en"), "x has corpus fr-en"),
        (GOOD.replace("byte", "words"), "x has vocabulary words"),
        (GOOD.replace("transformer", "lstm"), "x has arch lstm"),
        (GOOD.replace("transformer\t-", "transformer\ty"), "x starts from y, which is no system"),
        (GOOD.replace("transformer\t-", "transformer\tx"), "x starts from x, and that from it"),
        (GOOD.replace("transformer\t-\t-", "transformer\t-\tnone"), "x neither trains nor starts"),
        (GOOD[:-3] + "27.3\t-", "x has paper_base 27.3"),
    ],
)
def test_a_wrong_row_of_systems_is_refused_before_any_work(row, words, tmp_path):
    header = (ROOT / "examples/bbpe/systems.tsv").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "systems.tsv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    assert words in refused("bbpe/run.sh", "--systems", tmp_path / "systems.tsv", "--output", tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("scale", [["--gpus", "1"], ["--scale", "base"]])
def test_a_gpu_where_there_is_none_is_refused(scale, tmp_path):
    assert "no GPU here" in refused("bbpe/table5_en_de.sh", "--output", tmp_path, *scale)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["en-de/words"], "en-de/words: no such system; choose from en-de/byte+"),
        (["--scale", "huge"], "--scale huge: give tiny, base or big"),
        (["--updates", "many"], "--updates many: give a whole number"),
        (["--updates", "0"], "--updates 0: give a whole number, 1 or more"),
        (["--output", "a,b"], "fairseq splits paths at commas and colons"),
        (["ja-en/byte+"], "ja-en/byte+: no such system; choose from en-de/byte+"),
        (["--data", "/nowhere"], "--data /nowhere: no such folder"),
        (["--data"], "--data needs a value"),
        (["--fast"], "unknown argument '--fast'"),
        (["--systems", "/nowhere"], "--systems /nowhere: no such file"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, words):
    assert words in refused("bbpe/table5_en_de.sh", *arguments)


def test_help_names_the_systems_of_the_table():
    shown = passed("bbpe/table6_ja_en.sh", "--help").stdout
    assert "Systems: ja-en/byte+ ja-en/bbpe4k+ ja-en/char+ ja-en/bpe16k+\n" in shown
