"""Corpora by name: every identifier is one of mtdata's, and the real mtdata reads files laid in its cache, offline."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from hashlib import md5
from pathlib import Path
from urllib.parse import urlparse

import pytest
from conftest import BIN, ROOT
from mtdata.iso import iso3_code

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import read_corpora
from fairseq_bbpe.experiments.ted_talks import read_talks, sample

SCRIPT = ROOT / "examples/bbpe/download.sh"
CODES = {"en": "eng", "de": "deu", "ja": "jpn", "si": "sin"}
# mtdata's index, which it makes when it first runs, of those of OPUS's 212,000 sets alone whose names are given: all of
# them take a minute.
MAKE = """
import shutil, sys
from pathlib import Path
import mtdata
mtdata.resource_dir = Path(shutil.copytree(mtdata.resource_dir, "resource"))
opus = mtdata.resource_dir / "opus_index.tsv"
lines = opus.read_text(encoding="utf-8").splitlines(keepends=True)
lines = [line for line in lines if line.split("\\t")[0].replace("-", "_").lower() in sys.argv]
opus.write_text("".join(lines), encoding="utf-8")
import mtdata.index
"""
# mtdata reads its index at every start, for seconds: this cuts it down to the sets given.
CUT = """
import pickle, sys
from mtdata import cached_index_file
from mtdata.index import INDEX
INDEX.entries = {did: entry for did, entry in INDEX.entries.items() if str(did) in sys.argv}
cached_index_file.write_bytes(pickle.dumps(INDEX))
"""
# Columns of the TED talks that mtdata's index leaves out, and the language under which it lists them.
REGIONAL = {"fr-ca": "fra", "pt-br": "por", "zh-cn": "zho", "zh-tw": "zho"}

CORPORA = read_corpora(ROOT / "examples/bbpe/corpora.yaml")


def ids(corpus: str) -> list[str]:
    return [name for found in CORPORA[corpus].download for name in found.ids]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A folder of mtdata's with its index alone, which it makes without the network."""
    folder = tmp_path_factory.mktemp("mtdata cache")
    names = {name.split("-")[1] for corpus in CORPORA for name in ids(corpus) if name.startswith("OPUS-")}
    environment = {"MTDATA": str(folder), "PATH": os.environ["PATH"]}  # without a HOME
    subprocess.run([sys.executable, "-c", MAKE, *names], env=environment, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def entries(cache) -> dict[str, dict]:
    """What mtdata knows of each set of its index, by identifier."""
    (index,) = cache.glob("mtdata.index.*.jsonl")
    with open(index, encoding="utf-8") as lines:
        return {entry["did"]: entry for entry in map(json.loads, lines)}


@pytest.mark.parametrize("corpus", ["en-de", "ja-en", "si-en"])
def test_every_identifier_is_in_the_index(corpus, entries):
    assert ids(corpus)
    for name in ids(corpus):
        assert name in entries
        assert {CODES[code] for code in corpus.split("-")} == set(name.split("-")[3:])


def test_en_de_is_raw():
    """Stanford's newstest and training sets are tokenised, and BLEU against them is not the papers'."""
    assert not [name for name in ids("en-de") if name.startswith("StanfordNLP")]


def test_x_en_has_the_58_languages_of_the_talks(entries):
    (talks,) = CORPORA["x-en"].download
    assert len(set(talks.talks)) == len(talks.talks) == 58
    listed = {name.split("-", 3)[3] for name in entries if name.startswith("Neulab-tedtalks_train-1-eng-")}
    assert listed == {f"eng-{REGIONAL.get(code) or iso3_code(code)}" for code in talks.talks}


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


def text_of(line: str, kind: str) -> str:
    if kind == "txt":
        return f"{line}\n"
    return f'<refset><doc docid="1">\n<p>\n<seg id="1">{line}</seg>\n</p>\n</doc></refset>\n'


@pytest.fixture(scope="module")
def stocked(cache, entries) -> Path:
    """mtdata's folder with tiny files in the place of all that the four corpora need."""
    archives: dict[tuple[str, str], dict[str, str]] = {}
    for corpus in ("en-de", "ja-en", "si-en"):
        for name in ids(corpus):
            entry = entries[name]
            pair = name.split("-")[3:]
            if entry["in_ext"] in ("txt", "sgm"):
                texts = {
                    path.replace("*", "corpus"): text_of(f"{name} {language}", entry["in_ext"])
                    for path, language in zip(entry["in_paths"], pair, strict=True)
                }
                archives.setdefault((entry["url"], entry["filename"]), {}).update(texts)
            elif "jesc" in name:
                texts = {entry["in_paths"][0]: f"{name} eng\t{name} jpn\n\tempty on one side\n"}
                archives.setdefault((entry["url"], entry["filename"]), {}).update(texts)
    ted = entries["Neulab-tedtalks_train-1-eng-jpn"]
    languages = CORPORA["x-en"].download[0].talks
    archives[ted["url"], ted["filename"]] = talks(["talk_name", "en", "calv-", *languages])
    for (url, name), files in archives.items():
        fetched(cache, url, name, zipped(files) if name.endswith("zip") else tar(files))
    names = [name for corpus in ("en-de", "ja-en", "si-en") for name in ids(corpus)]
    names.append("Neulab-tedtalks_train-1-eng-deu")
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
    return {name: path.read_text(encoding="utf-8").split("\n")[:-1] for name, path in sorted(files.items())}


def test_en_de(stocked, tmp_path):
    lines = laid_out("en-de", stocked, tmp_path / "out")
    assert list(lines) == [
        f"{split}.{side}"
        for split in ("test_newstest2014", "test_newstest2015", "train", "valid")
        for side in ("de", "en")
    ]
    assert lines["train.de"] == [f"{name} deu" for name in ids("en-de")[:3]]
    assert lines["test_newstest2014.en"] == ["Statmt-newstest_deen-2014-deu-eng eng"]
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
    assert set(lines["train.lang"]) == set(CORPORA["x-en"].download[0].talks)
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
    lines = ["talk_name\ten\tfr", *(f"t\ten {number}\tfr {number}" for number in range(10))]
    (tmp_path / "all_talks_dev.tsv").write_text("\n".join(lines) + "\n")
    pairs = list(read_talks(tmp_path, "dev", ["fr"]))
    assert len(pairs) == 10
    assert [source for source, _, _ in sample(pairs, 4)] == ["fr 0", "fr 2", "fr 5", "fr 7"]
    with pytest.raises(UserError, match="no column for xx"):
        list(read_talks(tmp_path, "dev", ["xx"]))
    with pytest.raises(UserError, match=r"no all_talks_test\.tsv there"):
        list(read_talks(tmp_path, "test", ["fr"]))


def test_without_the_network_it_says_so_and_goes_on_later(stocked, tmp_path):
    """One of the files is not in mtdata's folder, and no proxy answers."""
    missing = next(stocked.glob("www.statmt.org/*/*/europarl.tgz"))
    hidden = missing.rename(tmp_path / "hidden")
    try:
        failed = download("en-de", "--output", tmp_path / "out", folder=stocked)
    finally:
        hidden.rename(missing)
    assert failed.returncode == 2
    assert "it needs the network: try the same again" in failed.stderr
    assert not (tmp_path / "out/en-de").exists()
    assert len(laid_out("en-de", stocked, tmp_path / "out")) == 8


def test_help_and_mistakes(tmp_path):
    assert "appears when it is whole" in " ".join(download("--help", folder=tmp_path).stdout.split())
    for arguments, said in [
        (["fr-en", "--output", tmp_path], "fr-en: no such corpus; choose from en-de, ja-en, x-en, si-en"),
        (["he-en", "--output", tmp_path], "he-en: no such corpus"),
        (["en-de"], "--output"),
        (["en-de", "--fast", "--output", tmp_path], "unrecognized arguments: --fast"),
    ]:
        wrong = download(*arguments, folder=tmp_path)
        assert wrong.returncode == 2
        assert said in wrong.stderr.splitlines()[-1]
