"""Corpora by name: every identifier is one of mtdata's, and the real mtdata reads files laid in its cache, offline."""

import csv
import io
import json
import os
import subprocess
import tarfile
import zipfile
from hashlib import md5
from pathlib import Path
from urllib.parse import urlparse

import pytest
from conftest import BIN, ROOT

SCRIPT = ROOT / "examples/bbpe/download.sh"
CODES = {"en": "eng", "de": "deu", "ja": "jpn", "si": "sin"}
# mtdata reads its index of 290,000 sets at every start, for seconds: this cuts it down to the sets given.
CUT = """
import pickle, sys
from mtdata import cached_index_file
from mtdata.index import INDEX
INDEX.entries = {did: entry for did, entry in INDEX.entries.items() if str(did) in sys.argv}
cached_index_file.write_bytes(pickle.dumps(INDEX))
"""
# Columns of the TED talks that mtdata's index leaves out, and the language under which it lists them.
REGIONAL = {"fr-ca": "fra", "pt-br": "por", "zh-cn": "zho", "zh-tw": "zho"}

with open(ROOT / "examples/bbpe/corpora.tsv", encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows(corpus: str) -> list[dict]:
    return [row for row in ROWS if row["corpus"] == corpus]


def ids(corpus: str) -> list[str]:
    return [name for row in rows(corpus) for name in row["mtdata ids"].split()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A folder of mtdata's with its index alone, which it builds without the network."""
    folder = tmp_path_factory.mktemp("mtdata cache")
    command = [BIN / "mtdata", "--no-pbar", "list", "--langs", "eng-sin", "--id"]
    environment = {"MTDATA": str(folder), "PATH": os.environ["PATH"]}  # without a HOME
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def entries(cache) -> dict[str, dict]:
    """What mtdata knows of each set of its index, by identifier."""
    (index,) = cache.glob("mtdata.index.*.jsonl")
    with open(index, encoding="utf-8") as lines:
        return {entry["did"]: entry for entry in map(json.loads, lines)}


def test_every_identifier_is_in_the_index(entries):
    for row in ROWS:
        names = row["mtdata ids"].split()
        assert len(names) == len(row["splits"].split(",")), row
        for name in names:
            assert name in entries
            assert name.split("-", 3)[3] == row["languages"]
            if row["corpus"] != "x-en":
                assert {CODES[code] for code in row["corpus"].split("-")} == set(row["languages"].split("-"))
        assert row["note"]


def test_x_en_has_58_languages(entries):
    languages = {row["set"]: row["languages"] for row in rows("x-en")}
    assert len(languages) == len(rows("x-en")) == 58
    assert REGIONAL.items() <= {code: pair.removeprefix("eng-") for code, pair in languages.items()}.items()
    listed = {pair for code, pair in languages.items() if code not in REGIONAL}
    assert listed == {name.split("-", 3)[3] for name in entries if name.startswith("Neulab-tedtalks_train-1-eng-")}


def fetched(cache: Path, url: str, name: str, content: bytes) -> None:
    """Lay a file where mtdata keeps what it has fetched, and mark it as whole."""
    key = md5(url.encode()).hexdigest()
    path = cache / urlparse(url).hostname / key[:4] / key[4:] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(name + "._valid").touch()


def tar(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return whole.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return whole.getvalue()


def talks(header: list[str]) -> dict[str, str]:
    """The TED talks: in each table a line that all languages have, one that half of them lack, one without English."""
    tables = {}
    for split in ("train", "dev", "test"):
        table = [header, ["t1", *(f"{split} one {code}" for code in header[1:])]]
        table += [["t2", *(f"{split}\u2028two" if i % 2 == 0 else "__NULL__" for i, _ in enumerate(header[1:]))]]
        table += [["t3", *("_ _ NULL _ _" if code == "en" else "three" for code in header[1:])]]
        tables[f"all_talks_{split}.tsv"] = "".join("\t".join(line) + "\n" for line in table)
    return tables


@pytest.fixture(scope="module")
def stocked(cache, entries) -> Path:
    """mtdata's folder with tiny files in the place of all that the four corpora need."""
    archives: dict[tuple[str, str], dict[str, str]] = {}
    for corpus in ("en-de", "ja-en", "si-en"):
        for name in ids(corpus):
            entry = entries[name]
            pair = name.split("-")[3:]
            if not isinstance(entry["url"], str):
                for url, language in zip(entry["url"], pair, strict=True):
                    fetched(cache, url, url.split("/")[-1], f"{name} {language} 1\n{name} {language} 2\n".encode())
            elif entry["in_ext"] == "txt":
                texts = {
                    path.replace("*", "corpus"): f"{name} {language}\n"
                    for path, language in zip(entry["in_paths"], pair, strict=True)
                }
                archives.setdefault((entry["url"], entry["filename"]), {}).update(texts)
            elif "jesc" in name:
                texts = {entry["in_paths"][0]: f"{name} eng\t{name} jpn\n\tempty on one side\n"}
                archives.setdefault((entry["url"], entry["filename"]), {}).update(texts)
    ted = entries["Neulab-tedtalks_train-1-eng-jpn"]
    languages = [row["set"] for row in rows("x-en")]
    archives[ted["url"], ted["filename"]] = talks(["talk_name", "en", "calv-", *languages])
    for (url, name), files in archives.items():
        fetched(cache, url, name, zipped(files) if name.endswith("zip") else tar(files))
    names = [name for corpus in ("en-de", "ja-en", "x-en", "si-en") for name in ids(corpus)]
    environment = {"MTDATA": str(cache), "PATH": os.environ["PATH"]}
    subprocess.run([BIN / "python", "-c", CUT, *names], env=environment, cwd=cache, check=True, capture_output=True)
    return cache


def download(*arguments, folder: Path, path: str = f"{BIN}:{os.environ['PATH']}") -> subprocess.CompletedProcess:
    environment = {"MTDATA": str(folder), "PATH": path, "VIRTUAL_ENV": str(BIN.parent)}
    command = ["bash", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def laid_out(corpus: str, cache: Path, output: Path) -> dict[str, list[str]]:
    """The lines of every file of a corpus, downloaded."""
    done = download(corpus, "--output", output, folder=cache)
    assert done.returncode == 0, done.stderr[-3000:]
    assert os.listdir(output) == [corpus]  # no part is left
    files = {path.name: path for path in (output / corpus).iterdir()}
    del files["mtdata.log"]
    return {name: path.read_text(encoding="utf-8").split("\n")[:-1] for name, path in sorted(files.items())}


def test_en_de(stocked, tmp_path):
    lines = laid_out("en-de", stocked, tmp_path / "out")
    assert list(lines) == [
        f"{split}.{side}"
        for split in ("test_newstest2014", "test_newstest2015", "train", "valid")
        for side in ("de", "en")
    ]
    assert lines["train.de"] == [f"StanfordNLP-wmt14_train-1-eng-deu deu {number}" for number in (1, 2)]
    assert lines["test_newstest2015.en"][0] == "StanfordNLP-newstest2015-1-eng-deu eng 1"
    again = download("en-de", "--output", tmp_path / "out", folder=stocked)
    assert "is there already" in again.stderr


def test_ja_en_concatenates_training_sets_and_keeps_tests_apart(stocked, tmp_path):
    lines = laid_out("ja-en", stocked, tmp_path / "out")
    splits = ("test_jesc", "test_kftt", "test_ted", "train", "valid")
    assert list(lines) == [f"{split}.{side}" for split in splits for side in ("en", "ja")]
    assert lines["train.ja"] == ["Phontron-kftt_train-1-eng-jpn jpn", "StanfordNLP-jesc_train-1-eng-jpn jpn"] + [
        line for line in lines["train.ja"] if line.startswith("train")
    ]
    assert lines["test_ted.ja"][0] == "test one ja"
    assert lines["test_ted.en"][0] == "test one en"
    assert lines["valid.en"][:2] == ["Phontron-kftt_dev-1-eng-jpn eng", "StanfordNLP-jesc_dev-1-eng-jpn eng"]


def test_x_en_says_the_language_of_each_line(stocked, tmp_path):
    lines = laid_out("x-en", stocked, tmp_path / "out")
    assert list(lines) == [f"{split}.{side}" for split in ("test", "train", "valid") for side in ("en", "lang", "src")]
    assert set(lines["train.lang"]) == {row["set"] for row in rows("x-en")}
    assert f"train one {lines['train.lang'][0]}" == lines["train.src"][0]
    assert "train two" in lines["train.en"]  # one line, whatever separator is in it
    assert not any("NULL" in line or line == "three" for line in lines["train.src"] + lines["train.en"])
    assert len(lines["train.src"]) == 58 + 29


def test_si_en(stocked, tmp_path):
    lines = laid_out("si-en", stocked, tmp_path / "out")
    assert list(lines) == [f"{split}.{side}" for split in ("test", "train", "valid") for side in ("en", "si")]
    assert lines["train.si"] == [f"{name} sin" for name in ids("si-en")[:4]]
    assert lines["test.en"] == ["Flores-flores200_devtest-1-eng-sin eng"]


def test_the_dev_set_is_sampled_evenly(tmp_path):
    header = ["talk_name", "en", "fr"]
    for split in ("train", "dev", "test"):
        table = [header, *(["t", f"en {number}", f"fr {number}"] for number in range(10))]
        (tmp_path / f"all_talks_{split}.tsv").write_text("".join("\t".join(line) + "\n" for line in table))
    command = [BIN / "python", ROOT / "examples/bbpe/ted_talks.py", "--archive", tmp_path, "--output", tmp_path / "out"]
    subprocess.run([*command, "--languages", "fr", "--valid", "4"], check=True)
    assert (tmp_path / "out/valid.src").read_text() == "fr 0\nfr 2\nfr 5\nfr 7\n"
    assert len((tmp_path / "out/train.en").read_text().splitlines()) == 10
    wrong = subprocess.run([*command, "--languages", "xx"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "no column for xx" in wrong.stderr


def test_without_the_network_it_says_so_and_goes_on_later(stocked, tmp_path):
    """One of the files is not in mtdata's folder, and no proxy answers."""
    missing = next(stocked.glob("nlp.stanford.edu/*/*/newstest2013.en"))
    hidden = missing.rename(tmp_path / "hidden")
    try:
        failed = download("en-de", "--output", tmp_path / "out", folder=stocked)
    finally:
        hidden.rename(missing)
    assert failed.returncode == 2
    assert "it needs the network: try the same command again" in failed.stderr
    assert not (tmp_path / "out/en-de").exists()
    assert len(laid_out("en-de", stocked, tmp_path / "out")) == 8


def test_help_and_mistakes(tmp_path):
    assert "DIR/CORPUS appears when it is whole" in download("--help", folder=tmp_path).stdout
    commands = (tmp_path / "bin").mkdir() or tmp_path / "bin"
    for name in ("bash", "dirname", "basename"):
        (commands / name).symlink_to(f"/usr/bin/{name}")
    for arguments, path, said in [
        (["fr-en", "--output", tmp_path], os.environ["PATH"], "fr-en: no such corpus; choose from en-de"),
        (["en-de"], os.environ["PATH"], "--output is missing"),
        ([], os.environ["PATH"], "no corpus named"),
        (["en-de", "--fast"], os.environ["PATH"], "unknown argument '--fast'"),
        (["en-de", "--output", tmp_path], str(commands), "pip install '.[download]'"),
    ]:
        wrong = download(*arguments, folder=tmp_path, path=path)
        assert wrong.returncode == 2
        assert said in wrong.stderr
        assert wrong.stderr.count("\n") == 1
