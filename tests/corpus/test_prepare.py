"""`fairseq-bbpe prepare`: raw parallel files in, a data-bin that holds the same lines out."""

# ruff: noqa: F811  (fixtures that are imported)

import os
import re
import shutil
from itertools import product
from pathlib import Path

import pytest
from conftest import run
from small_text import ENGLISH, corpus, prepare, prepared  # noqa: F401

from fairseq_bbpe.corpus.indexed_file import numbered, write_indexed
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import characters_of
from fairseq_bbpe.vocabularies.specification import load_vocabulary

data_utils = pytest.importorskip("fairseq.data.data_utils", reason="needs fairseq")
from fairseq.data import Dictionary  # noqa: E402
from fairseq.data.encoders.byte_bpe import ByteBPE  # noqa: E402
from fairseq.data.indexed_dataset import best_fitting_int_dtype  # noqa: E402


def binarised(folder: Path, name: str, language: str) -> list[str]:
    """The lines of pieces in a data-bin."""
    dictionary = Dictionary.load(str(folder / f"dict.{language}.txt"))
    data = data_utils.load_indexed_dataset(str(folder / f"{name}.ja-en.txt.{language}"), dictionary)
    assert all(ids[-1] == dictionary.eos() for ids in data)
    return [dictionary.string(ids) for ids in data]


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


@pytest.mark.parametrize("spec", ["byte", "bbpe:300", "char", "bpe:60", "fairseq:150"])
def test_the_files_are_those_of_fairseq_preprocess(corpus, tmp_path, spec):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    prepare(corpus, "--vocab", spec, "--destdir", mine)
    vocabulary = load_vocabulary(*mine.glob("*.model"))
    for split, language in product(("train", "valid", "test"), ("ja", "en.txt")):
        lines = (corpus / f"{split}.{language}").read_bytes().removesuffix(b"\n").split(b"\n")
        pieces = "".join(line + "\n" for line in vocabulary.encode_lines(lines))
        (tmp_path / f"{split}.{language}").write_text(pieces, encoding="utf-8", newline="\n")
    prefixes = [f"--{split}pref={tmp_path / split}" for split in ("train", "valid", "test")]
    joined = ["--joined-dictionary", "--srcdict", mine / "dict.ja.txt", "--destdir", theirs]
    run("fairseq-preprocess", "--source-lang", "ja", "--target-lang", "en.txt", *prefixes, *joined)
    binarised = sorted(path.name for path in theirs.iterdir() if path.suffix in (".bin", ".idx"))
    assert len(binarised) == 12
    for name in binarised:
        assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name


@pytest.mark.parametrize(("pieces", "bytes_an_id"), [(65_495, 2), (65_496, 4)])
def test_a_vocabulary_of_more_than_two_bytes(tmp_path, pieces, bytes_an_id):
    """From 65,500 symbols on, fairseq's four among them, an id has four bytes."""
    names = [f"p{number}" for number in range(pieces)]
    lengths, unknown = write_indexed(tmp_path / "text", [[f"p0 {names[-1]} elsewhere"], [""]], numbered(names))
    assert (list(lengths), unknown) == ([4, 1], 1)
    assert (tmp_path / "text.bin").stat().st_size == 5 * bytes_an_id
    dictionary = Dictionary()
    for name in names:
        dictionary.add_symbol(name)
    assert best_fitting_int_dtype(len(dictionary))().itemsize == bytes_an_id
    read = data_utils.load_indexed_dataset(str(tmp_path / "text"), dictionary)
    assert [ids.tolist() for ids in read] == [[4, len(dictionary) - 1, dictionary.unk(), dictionary.eos()], [2]]


def test_text_that_looks_like_a_special_symbol_is_unknown_where_it_cannot_be_spelled(tmp_path):
    lengths, unknown = write_indexed(tmp_path / "text", [["a </s> <s> a"], ["</s>"]], numbered(["a"]))
    read = data_utils.load_indexed_dataset(str(tmp_path / "text"), Dictionary())
    assert [ids.tolist() for ids in read] == [[4, 3, 3, 4, 2], [3, 2]]
    assert (list(lengths), unknown) == ([5, 2], 3)


def test_overwrite_replaces_what_prepare_made(corpus, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "bin")
    (tmp_path / "bin/counts.en.txt.pt").touch()  # of `ngrams`
    prepare(corpus, "--vocab", "bbpe:260", "--destdir", tmp_path / "bin", "--overwrite", pairs=["train"])
    assert len(Vocabulary.load(tmp_path / "bin/bbpe.model")) == 260
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("spec", ["char", "bpe:60", "fairseq:150"])
def test_a_model_of_any_kind_serves_again(corpus, tmp_path, spec):
    prepare(corpus, "--vocab", spec, "--destdir", tmp_path / "first", pairs=["train"])
    (model,) = (tmp_path / "first").glob("*.model")
    prepare(corpus, "--model", model, "--destdir", tmp_path / "again", pairs=["train"])
    assert (tmp_path / "again" / model.name).read_bytes() == model.read_bytes()
    for name in ("dict.ja.txt", "train.ja-en.txt.ja.bin", "train.ja-en.txt.en.txt.bin"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


def test_a_sample_is_that_of_learn(corpus, tmp_path):
    prepare(corpus, "--vocab", "bbpe:280", "--sample", "30", "--destdir", tmp_path / "bin", pairs=["train"])
    lines = [
        line
        for language in ("ja", "en.txt")
        for line in (corpus / f"train.{language}").read_bytes().removesuffix(b"\n").split(b"\n")
    ]
    made = (tmp_path / "bin/bbpe.model").read_bytes()
    assert made == Vocabulary.learn(lines, 280, sample=30).model != Vocabulary.learn(lines, 280).model


def test_a_destination_of_any_bytes(corpus, tmp_path):
    name = os.fsdecode(b"bin\xff")
    printed = prepare(corpus, "--vocab", "byte", "--destdir", tmp_path / name, pairs=["train"]).stdout
    assert f"{tmp_path / name}" in printed


def test_cr_lf_is_told(corpus, tmp_path):
    for path in corpus.glob("train.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    said = prepare(tmp_path, "--vocab", "byte", "--destdir", "bin", pairs=["train"]).stderr
    assert "prepare: warning: train.ja: 59 of 60 lines end in CR LF" in said
    assert "strip it with sed -i 's/\\r$//' train.en.txt" in said
