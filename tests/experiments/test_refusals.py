"""What `fairseq-bbpe reproduce` refuses, in one line and before any work; and that every script shows its command."""

import shutil
import subprocess

import pytest
from conftest import BIN, PLUGIN, ROOT, environment, run
from own_experiment import CORPORA, SYSTEMS, command, make, refuse


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus):
    return make(tmp_path_factory.mktemp("my experiment"), corpus)


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


def test_other_text_and_other_options_are_refused(folder, tmp_path):
    run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte", "--updates", "1"))
    other = ["--config", folder / "systems.yaml", "--output", folder / "runs", "--data", tmp_path]
    assert f"was made from {folder / 'data'}, not from {tmp_path}" in refuse("reproduce", "table5", *other)
    edited = tmp_path / folder.name / "systems.yaml"
    edited.parent.mkdir()
    edited.write_text(SYSTEMS.replace("lr: 0.01", "lr: 0.02"), encoding="utf-8")
    (edited.parent / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    changed = ["--config", edited, "--output", folder / "runs", "--data", folder / "data"]
    assert "was trained with other options: remove it" in refuse("reproduce", "table5", *changed)
    edited.write_text(SYSTEMS.replace("test: 12", "test: 6"), encoding="utf-8")
    assert "has a sample of {'train': 400, 'test': 12}, not " in refuse("reproduce", "table5", *changed)


def test_a_system_of_another_table_is_checked_too(folder, tmp_path):
    (tmp_path / "systems.yaml").write_text(
        SYSTEMS.replace("bpe: {label", "other: {<<: *byte, corpus: fr-en}\n  bpe: {label")
    )
    (tmp_path / "corpora.yaml").write_text(CORPORA, encoding="utf-8")
    own = ["--config", tmp_path / "systems.yaml", "--data", folder / "data", "--output", tmp_path / "runs"]
    said = refuse("reproduce", "table5", *own, "--systems", "other")
    assert "systems.other.corpus: fr-en: corpora.yaml has de-en" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lr: 0.01", "learning-rate: 0.01"), "systems.byte: fairseq-train would say: unrecognized arguments: --learn"),
        (("lr: 0.01", "lr: quick"), "systems.byte: fairseq-train would say: "),
        (("corpus: de-en", "corpus: fr-en"), "systems.byte.corpus: fr-en: corpora.yaml has de-en"),
        (("updates: 6", "batches: 6"), "scales.tiny.batches: Key 'batches' not in 'Scale'; give tokens"),
        (("max_tokens: 400", "max_tokens: 0"), "scales.tiny.max_tokens: 0: give a number above 0"),
        (("train: 400", "train: 0"), "scales.tiny.sample.train: 0: give a number above 0"),
        (("label: Byte", "pairs: 0\n    label: Byte"), "systems.byte.pairs: 0: give a number above 0"),
        (("bpe:32768", "bbpe:100"), "systems.bpe.vocabulary: bbpe:100: a byte-level vocabulary holds all 256 bytes"),
        (("max-len-b", "max-lenb"), "models.transformer.generate: fairseq-generate would say: unrecognized arguments"),
        (("20}", "many}"), "models.transformer.generate: fairseq-generate would say: "),
    ],
    ids=["unknown flag", "wrong value", "corpus", "scale", "0 tokens", "0 lines", "0 pairs", "100", "search", "length"],
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
        (
            ["table8", "--scale", "big", "--gpus", "0"],
            "--scale big: models.flores, of si-en/bpe5k, has no arch",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments, words, tmp_path):
    if "--output" not in arguments:
        arguments = [*arguments, "--output", str(tmp_path)]
    assert words in refuse("reproduce", *arguments)


def test_an_installed_package_finds_the_examples_from_a_checkout(tmp_path):
    """As after `pip install .`: examples/ is not beside the package, but in the working folder or the script's."""
    shutil.copytree(PLUGIN, tmp_path / "installed" / "fairseq_bbpe", ignore=shutil.ignore_patterns("__pycache__"))
    installed = {**environment(), "PYTHONPATH": str(tmp_path / "installed"), "PYTHONSAFEPATH": "1"}
    reproduce = [BIN / "python", "-m", "fairseq_bbpe.cli", "reproduce", "table9"]
    script = ["bash", ROOT / "examples/bbpe/table5_en_de.sh", "--data", "/nowhere", "--output", tmp_path / "o"]
    for line, folder, words in [
        (reproduce, ROOT, "table9: no such table; choose from table1, "),
        (reproduce, tmp_path, "systems.yaml: missing: give --config FILE, or run from a checkout"),
        (script, tmp_path, "--data /nowhere: no such folder"),
    ]:
        said = subprocess.run(line, cwd=folder, env=installed, capture_output=True, text=True).stderr
        assert words in said


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("b*/*.sh")), ids=lambda path: path.name)
def test_every_script_is_short_and_shows_its_one_command(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 60
    words = {"table1_complexity": "--path-lengths", "download": "corpora.yaml"}
    shown = subprocess.run(["bash", script, "--help"], capture_output=True, text=True, check=True).stdout
    assert words.get(script.stem, "examples/bbpe/systems.yaml") in shown
