"""`fairseq-bbpe prepare`: raw parallel files in, a data-bin that holds the same lines out, whole or not at all."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import interruptible

from fairseq_bbpe.corpus.staging import replacing
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import characters_of

data_utils = pytest.importorskip("fairseq.data.data_utils", reason="needs fairseq")
from fairseq.data import Dictionary  # noqa: E402
from fairseq.data.encoders.byte_bpe import ByteBPE  # noqa: E402

COMMAND = [sys.executable, "-m", "fairseq_bbpe.cli", "prepare"]
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])),
}

JAPANESE = ["ねこ  はマットの\u3000上にすわった", "", "ねずみ\r\u2028もマット", "ねこはどこ？", "マットの上です。"] * 12
ENGLISH = ["The cat sat on the mat .", "", " Rats too\x85,\x00 mat", "Where is the cat?", "On the mat."] * 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """train, valid and test files, suffixes ja and en.txt, with what breaks lines elsewhere, and invalid UTF-8."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, count in (("train", 60), ("valid", 5), ("test", 8)):
        (folder / f"{name}.ja").write_bytes("\n".join(JAPANESE[:count]).encode() + b"\xe3\x81")
        (folder / f"{name}.en.txt").write_bytes("\n".join(ENGLISH[:count]).encode() + b"\n")
    return folder


def prepare(folder, *arguments, status=0, pairs=("train", "valid", "test")) -> subprocess.CompletedProcess:
    """Prepare inside `folder`; stdout and stderr are text."""
    prefixes = [f"--{name}pref={name}" for name in pairs]
    finished = subprocess.run(
        [*COMMAND, "--source-lang", "ja", "--target-lang", "en.txt", *prefixes, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert finished.returncode == status, finished.stderr
    return finished


def binarised(folder: Path, name: str, language: str) -> list[str]:
    """The lines of pieces in a data-bin."""
    dictionary = Dictionary.load(str(folder / f"dict.{language}.txt"))
    data = data_utils.load_indexed_dataset(str(folder / f"{name}.ja-en.txt.{language}"), dictionary)
    assert all(ids[-1] == dictionary.eos() for ids in data)
    return [dictionary.string(ids) for ids in data]


@pytest.fixture(scope="module")
def prepared(corpus) -> Path:
    """A data-bin of bbpe:300, made with two workers and two test sets."""
    done = prepare(
        corpus, "--vocab", "bbpe:300", "--destdir", "made/bbpe, 300", "--workers", "2", "--testpref", "test,valid"
    )
    assert "300 pieces" in done.stderr
    (corpus / "bbpe.sh").write_text(done.stdout, encoding="utf-8")
    return corpus / "made/bbpe, 300"


@pytest.mark.parametrize(
    ("name", "raw"), [("train", "train"), ("valid", "valid"), ("test", "test"), ("test1", "valid")]
)
@pytest.mark.parametrize("language", ["ja", "en.txt"])
def test_every_line_is_in_the_data_bin_byte_for_byte(corpus, prepared, name, raw, language):
    lines = (corpus / f"{raw}.{language}").read_bytes().removesuffix(b"\n").split(b"\n")
    assert [Vocabulary.decode(pieces) for pieces in binarised(prepared, name, language)] == lines
    if name != "train":
        assert (prepared / "raw" / f"{name}.{language}").read_bytes() == (corpus / f"{raw}.{language}").read_bytes()


def test_model_and_dictionaries_belong_together(prepared):
    expected = "".join(Vocabulary.load(prepared / "bbpe.model").dictionary_lines())
    for language in ("ja", "en.txt"):
        assert (prepared / f"dict.{language}.txt").read_text(encoding="utf-8") == expected


def test_nothing_else_is_left(corpus, prepared):
    assert [path.name for path in prepared.parent.iterdir() if path.name.startswith((".", "pieces"))] == []
    assert not (prepared / "pieces").exists()


def test_a_vocabulary_learned_elsewhere_is_taken_as_it_is(corpus, prepared, tmp_path):
    prepare(corpus, "--model", prepared / "bbpe.model", "--destdir", tmp_path / "bin", pairs=["train"])
    assert (tmp_path / "bin/bbpe.model").read_bytes() == (prepared / "bbpe.model").read_bytes()
    assert binarised(tmp_path / "bin", "train", "ja") == binarised(prepared, "train", "ja")


def test_byte_vocabulary(corpus, tmp_path):
    (tmp_path / "bin").mkdir()  # empty: as good as none
    prepare(corpus, "--vocab", "byte", "--destdir", tmp_path / "bin")
    assert len(Vocabulary.load(tmp_path / "bin/bbpe.model")) == 256
    first = binarised(tmp_path / "bin", "test", "en.txt")[0]
    assert first.count(" ") + 1 == len(ENGLISH[0])


@pytest.mark.parametrize("spec", ["char", "bpe:60"])
def test_baselines_over_characters(corpus, tmp_path, spec):
    """Aligned and complete, but for white space: sentencepiece joins it, and fairseq strips it."""
    printed = prepare(corpus, "--vocab", spec, "--destdir", tmp_path / "bin").stdout
    assert "--bpe sentencepiece --sentencepiece-model" in printed
    assert "--eval-bleu-remove-bpe sentencepiece" in printed
    for language in ("ja", "en.txt"):
        lines = (corpus / f"test.{language}").read_bytes().removesuffix(b"\n").split(b"\n")
        text = [
            pieces.replace(" ", "").replace("▁", " ").strip()
            for pieces in binarised(tmp_path / "bin", "test", language)
        ]
        # sentencepiece knows no NUL.
        expected = [" ".join(characters_of(line).replace("\0", "<unk>").split()) for line in lines]
        assert text == expected


def test_fairseqs_own_recipe_is_what_fairseq_decodes(corpus, tmp_path):
    printed = prepare(corpus, "--vocab", "fairseq:150", "--destdir", tmp_path / "bin").stdout
    assert f"--bpe byte_bpe --sentencepiece-model-path {tmp_path / 'bin/byte_bpe.model'}" in printed
    assert "--eval-bleu" not in printed  # fairseq has none for it
    for language in ("ja", "en.txt"):
        lines = (corpus / f"test.{language}").read_bytes().removesuffix(b"\n").split(b"\n")
        text = [ByteBPE.decode(pieces).strip() for pieces in binarised(tmp_path / "bin", "test", language)]
        assert text == [" ".join(re.split(r"\s+", line.decode("utf-8", "replace"))).strip() for line in lines]


@pytest.mark.parametrize("kind", ["bbpe", "bpe"])
def test_at_most_learns_the_largest_vocabulary_that_the_text_supports(corpus, tmp_path, kind):
    made = prepare(corpus, "--vocab", f"{kind}:50000", "--at-most", "--destdir", tmp_path / "bin", pairs=["train"])
    size = int(re.search(r"wrote .*: (\d+) pieces$", made.stderr)[1])
    largest = (tmp_path / "bin/dict.ja.txt").read_bytes()
    assert largest.count(b"\n") == size
    refused = prepare(corpus, "--vocab", f"{kind}:{size + 1}", "--destdir", tmp_path / "more", status=2)
    assert f"size {size + 1}: this text supports at most {size}: " in refused.stderr
    # A size that the text supports is what it was, and the largest has all of its pieces.
    fewer = ["--vocab", f"{kind}:{size - 1}", "--at-most", "--destdir", tmp_path / "fewer"]
    assert f": {size - 1} pieces" in prepare(corpus, *fewer, pairs=["train"]).stderr
    assert set((tmp_path / "fewer/dict.ja.txt").read_bytes().split(b"\n")) < set(largest.split(b"\n"))


def test_printed_commands_run(corpus, prepared):
    """As printed, but for the length of the training and of what an untrained model writes."""
    script = (corpus / "bbpe.sh").read_text(encoding="utf-8")
    short = script
    for printed, quick in (
        ("--max-epoch 20", "--max-epoch 1 --encoder-layers 1 --decoder-layers 1 --num-workers 0 --cpu"),
        ('{"beam": 1}', '{"beam": 1, "max_len_b": 20}'),
        ("--beam 5", "--beam 2 --max-len-b 20 --cpu"),
    ):
        assert printed in short
        short = short.replace(printed, quick)
    assert script.count("sacrebleu ") == 2
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", short], cwd=corpus, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert finished.stdout.count('"name": "BLEU"') == 2
    hypotheses = (corpus / "checkpoints/bbpe, 300/test.en.txt").read_bytes()
    assert hypotheses.count(b"\n") == 8


@pytest.mark.parametrize(
    ("change", "arguments", "problem"),
    [
        ("", ["--vocab", "bbpe"], "--vocab bbpe: give byte, bbpe:N, char, bpe:N, fairseq:N or a"),
        ("", ["--vocab", "unigram:300"], "--vocab unigram:300: give byte"),
        ("", ["--vocab", "byte:256"], "--vocab byte:256: give byte"),
        ("", ["--vocab", "bbpe:255"], "--vocab bbpe:255: .* bbpe:256 or more"),
        ("", ["--vocab", "bbpe:50000"], r"size 50000: this text supports at most \d+"),
        ("", ["--vocab", "bpe:50000"], r"size 50000: this text supports at most \d+"),
        ("", ["--vocab", "bpe:3"], r"size 3: this text has more characters: give \d+ or more"),
        ("", ["--model", "train.ja", "--at-most"], "--at-most: --model train.ja is taken as it is: give --vocab"),
        ("", ["--vocab", "bpe:3", "--at-most"], r"size 3: this text has more characters: give \d+ or more"),
        ("", ["--model", "train.ja"], "train.ja: not a sentencepiece model"),
        ("", ["--vocab", f"bpe:{2**31}"], f"size {2**31}: no text supports so many"),
        ("", ["--vocab", f"bpe:{'9' * 5000}"], "no text supports so many"),
        ("yes '' | head -9 | tee train.ja > train.en.txt", ["--vocab", "char"], "training text holds no characters"),
        ("yes '' | head -9 | tee train.ja > train.en.txt", ["--vocab", "bpe:50"], "training text holds no characters"),
        ("", ["--vocab", "byte", "--validpref", "valid,,test"], "--validpref holds an empty prefix"),
        ("", ["--vocab", "byte", "--trainpref", ""], "--trainpref holds an empty prefix"),
        ("", ["--vocab", "byte", "--trainpref", "train,valid"], "--trainpref train,valid: give one prefix"),
        ("rm test.ja; mkfifo test.ja", ["--vocab", "byte"], "--testpref test.ja: is a pipe or device"),
        ("", ["--vocab", "byte", "--destdir", "/"], "--destdir /: is the root"),
        ("rm test.ja", ["--vocab", "byte"], "--testpref test.ja: No such file"),
        (": > valid.en.txt", ["--vocab", "byte"], "--validpref valid.en.txt: the file is empty"),
        ("echo >> train.ja; echo >> train.ja", ["--vocab", "byte"], "train.ja has 61 lines, train.en.txt has 60"),
        ("", ["--vocab", "byte", "--target-lang", "ja"], "--source-lang and --target-lang are both ja"),
        ("", ["--vocab", "byte", "--destdir", "train.ja/bin"], "cannot write"),
        ("", ["--vocab", "byte", "--destdir", "a:b"], "a:b: fairseq would split this path"),
        ("", ["--vocab", "byte", "--destdir", "train.ja"], "train.ja: exists and is no data-bin"),
        (
            "mkdir mine; touch mine/x",
            ["--vocab", "byte", "--destdir", "mine", "--overwrite"],
            "exists and is no data-bin",
        ),
        (
            "mkdir made; touch made/preprocess.log",
            ["--vocab", "byte", "--destdir", "made"],
            "made: exists: .*--overwrite",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(corpus, tmp_path, change, arguments, problem):
    for path in corpus.glob("t*.*"), corpus.glob("v*.*"):
        for file in path:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    subprocess.run(change, shell=True, check=True, cwd=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    finished = prepare(tmp_path, "--destdir", "data-bin/new", *arguments, status=2)
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("fairseq-bbpe: error: ")
    assert re.search(problem, last), last
    assert sorted(tmp_path.rglob("*")) == before


def test_overwrite_replaces_what_prepare_made(corpus, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "bin")
    prepare(corpus, "--vocab", "bbpe:260", "--destdir", tmp_path / "bin", "--overwrite", pairs=["train"])
    assert len(Vocabulary.load(tmp_path / "bin/bbpe.model")) == 260
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_interrupted_replacement_leaves_the_old_or_the_new(tmp_path, monkeypatch, renames):
    """An interruption comes after so many renames."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/old").touch()
    done = []
    rename = Path.rename

    def interrupted_rename(path, target):
        if len(done) == renames:
            done.append("interrupted")
            raise KeyboardInterrupt
        done.append(rename(path, target))
        return done[-1]

    def interrupted_rmtree(path, **kwargs):
        if len(done) == renames == 2:
            done.append("interrupted")
            raise KeyboardInterrupt
        rmtree(path, **kwargs)

    rmtree = shutil.rmtree
    monkeypatch.setattr(Path, "rename", interrupted_rename)
    monkeypatch.setattr(shutil, "rmtree", interrupted_rmtree)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "bin") as folder:
        (folder / "new").touch()
    kept = "new" if renames == 2 else "old"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "bin", tmp_path / "bin" / kept]


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_preparation_leaves_nothing(corpus, tmp_path, kill):
    command = [*COMMAND, "--source-lang", "ja", "--target-lang", "en.txt", "--trainpref", "train", "--vocab", "byte"]
    options = {"cwd": corpus, "stderr": subprocess.PIPE, "env": ENVIRONMENT, "preexec_fn": interruptible}
    with subprocess.Popen([*command, "--destdir", str(tmp_path / "new/bin")], **options) as process:
        while b"fairseq-preprocess" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(kill)
        assert process.stderr.read() == b""
    assert process.returncode == 128 + kill
    assert list(tmp_path.iterdir()) == []
