"""What the kinds of vocabulary share: files written whole or not at all, samples, sizes that the text decides."""

import io
import os
from types import SimpleNamespace

import pytest
import sentencepiece

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.vocabularies.model_file import read_model
from fairseq_bbpe.vocabularies.specification import Specification, load_vocabulary
from fairseq_bbpe.vocabularies.training import TooManyPieces, sampled, train

TEXT = [b"The cat sat on the mat.", "Der Hut ist größer.".encode(), b"The rat that the cat had sat on."] * 9
KINDS = {"bbpe": (Vocabulary, 270), "bpe": (CharacterVocabulary, 40), "fairseq": (FairseqVocabulary, 40)}


@pytest.fixture(scope="module", params=KINDS)
def learned(request):
    kind, size = KINDS[request.param]
    return kind.learn(TEXT, size)


def test_nothing_that_fairseq_has_itself_is_a_piece(learned):
    meta = {"<unk>", "<s>", "</s>", "\u2047"}
    assert not meta & set(learned.pieces)
    kept = [piece for piece in learned._all_pieces if piece not in meta]
    assert learned.pieces == kept
    assert len(learned) == len(kept)


def test_pieces_spell_the_text(learned):
    for line, pieces in zip(TEXT, learned.encode_lines(TEXT), strict=True):
        spelled = b"".join(map(learned.spell, pieces.split()))
        assert spelled.lstrip() == line  # models of characters mark the start of every word


def test_a_failed_save_leaves_the_old_files(learned, tmp_path, monkeypatch):
    prefix = tmp_path / "v"
    (tmp_path / "v.model").write_bytes(b"old model")
    (tmp_path / "v.dict.txt").write_bytes(b"old dictionary")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"v\.model: No space left on device: give a destination that can be written"):
        learned.save(prefix)
    assert (tmp_path / "v.model").read_bytes() == b"old model"
    assert (tmp_path / "v.dict.txt").read_bytes() == b"old dictionary"
    assert len(list(tmp_path.iterdir())) == 2


def test_files_are_moved_into_place_from_their_own_file_system(learned, tmp_path, monkeypatch):
    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (moved.append((source, target)), replace(source, target)))
    model, dictionary = learned.save(tmp_path / "v")
    assert [target for _, target in moved] == [model, dictionary] == [tmp_path / "v.model", tmp_path / "v.dict.txt"]
    assert all(source.parent.parent == tmp_path and source.parent.name.startswith(".") for source, _ in moved)
    assert model.read_bytes() == learned.model
    lines = dictionary.read_bytes().decode().split("\n")
    assert lines == [*(f"{piece} 1" for piece in learned.pieces), ""]


def test_a_loaded_vocabulary_is_named_by_its_file(learned, tmp_path):
    model, _ = learned.save(tmp_path / "v")
    assert type(learned).load(model).name == str(model)
    assert learned.name == "the model"
    assert read_model(model) == learned.model
    with pytest.raises(UserError, match=r"absent: No such file or directory: give a \.model file"):
        read_model(tmp_path / "absent")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_all_that_is_learned_from(kind):
    vocabulary, size = KINDS[kind]
    lines = [b"%d" % (10**9 + 7919**2 * number % 10**9) for number in range(300)]
    some = vocabulary.learn(lines, size, sample=20)
    assert some.pieces == vocabulary.learn(sampled(lines, 20), size).pieces
    assert some.pieces != vocabulary.learn(lines, size).pieces


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"verbose": False}, {"verbose": True}], ids=["default", "quiet", "verbose"])
def test_learning_speaks_only_where_asked(kind, options, capfd):
    vocabulary, size = KINDS[kind]
    vocabulary.learn(TEXT, size, **options)
    assert bool(capfd.readouterr().err) == options.get("verbose", False)


@pytest.mark.parametrize("kind", KINDS)
def test_at_most_learns_what_the_text_supports(kind):
    specification = Specification.parse(f"{kind}:5000")
    with pytest.raises(TooManyPieces) as refused:
        specification.vocabulary(lambda: TEXT)
    vocabulary = specification.vocabulary(lambda: TEXT, at_most=True)
    assert vocabulary.name == f"{kind}:{refused.value.largest}"
    assert len(vocabulary._all_pieces) == refused.value.largest + {"bbpe": 1, "bpe": 3, "fairseq": 0}[kind]


def test_a_specification_passes_on_sample_and_workers():
    asked = []

    def learn(lines, size, **options):
        asked.append((list(lines), size, options))
        if size == 400:
            raise TooManyPieces(400, 300)
        return SimpleNamespace()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocabulary, "learn", learn)
        found = Specification.parse("bbpe:400").vocabulary(lambda: TEXT, sample=7, workers=3, at_most=True)
    assert asked == [(TEXT, size, {"sample": 7, "workers": 3, "verbose": False}) for size in (400, 300)]
    assert found.name == "bbpe:300"


def test_a_refusal_names_the_callers_flag_and_what_is_allowed():
    forms = "byte, bbpe:N, char, bpe:N, fairseq:N or a .model file"
    with pytest.raises(UserError, match=f"^--other words: give {forms}, such as bbpe:4096$"):
        Specification.parse("words", "--other")
    for good in ("bpe:" + "9" * 18, "bpe:1", "bbpe:256"):
        kind, _, size = good.partition(":")
        assert Specification.parse(good) == Specification(kind, int(size))
    for bad in ("bpe:" + "9" * 19, "fairseq:1" + "0" * 18):
        kind = bad.partition(":")[0]
        with pytest.raises(UserError, match=f"no text supports so many pieces: give less, such as {kind}:4096"):
            Specification.parse(bad)
    with pytest.raises(UserError, match="holds all 256 bytes, so give bbpe:256 or more"):
        Specification.parse("bbpe:255")
    with pytest.raises(UserError, match="fairseq:0: a vocabulary of nothing: give more, such as fairseq:4096"):
        Specification.parse("fairseq:0")


def test_256_bytes_are_known_without_reading_a_line():
    def unread():
        raise AssertionError("read")
        yield

    assert sorted(Vocabulary.learn(unread(), 256).pieces) == sorted(SYMBOLS)
    with pytest.raises(UserError, match="size 255: a byte-level vocabulary holds all 256 bytes, so give 256 or more"):
        Vocabulary.learn(unread(), 255)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_are_the_trainers_threads(kind, monkeypatch):
    vocabulary, size = KINDS[kind]
    asked = []
    learn = sentencepiece.SentencePieceTrainer.train
    monkeypatch.setattr(
        sentencepiece.SentencePieceTrainer, "train", lambda **options: (asked.append(options), learn(**options))
    )
    vocabulary.learn(TEXT, size, workers=5)
    assert [options["num_threads"] for options in asked] == [5]


def test_byte_and_char_have_the_size_of_their_alphabet():
    assert Specification.parse("byte") == Specification("byte", 256)
    assert Specification.parse("char") == Specification("char", None)
    assert sorted(Specification.parse("byte").vocabulary(lambda: TEXT).pieces) == sorted(SYMBOLS)
    characters = set(b"".join(TEXT).decode().replace(" ", SPACE))
    assert set(Specification.parse("char").vocabulary(lambda: TEXT).pieces) == characters


def test_a_file_of_fairseqs_recipe_is_known_by_its_name(tmp_path):
    learned = FairseqVocabulary.learn(TEXT, 40)
    for name, kind in (("byte_bpe.model", FairseqVocabulary), ("other.model", CharacterVocabulary)):
        (tmp_path / name).write_bytes(learned.model)
        loaded = load_vocabulary(tmp_path / name)
        assert type(loaded) is kind
        assert loaded.name == str(tmp_path / name)
    ours = Vocabulary.learn(TEXT, 260)
    (tmp_path / "any.model").write_bytes(ours.model)
    assert type(load_vocabulary(str(tmp_path / "any.model"))) is Vocabulary
    assert load_vocabulary(tmp_path / "any.model").name == str(tmp_path / "any.model")


def test_tasks_that_train_on_the_pieces():
    assert Vocabulary.task_flags() == ["--task", "translation_bbpe"]
    assert CharacterVocabulary.task_flags() == FairseqVocabulary.task_flags() == []


@pytest.mark.parametrize(
    ("symbols", "options"),
    [
        (SYMBOLS, {"split_by_whitespace": False}),
        (SYMBOLS[:-1], {}),
        (SYMBOLS, {"add_dummy_prefix": True}),
        (SYMBOLS, {"remove_extra_whitespaces": True}),
    ],
    ids=["joins words", "lacks a byte", "adds a space", "folds spaces"],
)
def test_a_model_that_differs_in_one_thing_is_not_over_bytes(symbols, options):
    alike = {"add_dummy_prefix": False, "remove_extra_whitespaces": False, "unk_piece": "\u2047", "model_type": "bpe"}
    ids = {"unk_id": 0, "bos_id": -1, "eos_id": -1, "pad_id": -1}
    sentences = [*symbols, *["▁the▁cat▁sat"] * 50]
    own = {"own_pieces": 1, "workers": 1, "verbose": False, **ids}
    Vocabulary(train([*SYMBOLS, *sentences], 262, **own, **alike))
    with pytest.raises(UserError, match=r"^other: a sentencepiece model, but not over bytes: give a \.model file"):
        Vocabulary(train(sentences, 262, **own, **{**alike, **options}), name="other")


def test_pieces_spelled_like_any_of_fairseqs_symbols_are_told_apart(learned, monkeypatch):
    dictionary = pytest.importorskip("fairseq.data").Dictionary()
    monkeypatch.setattr(learned, "pieces", ["a", *dictionary.symbols, "b"])
    dictionary.add_from_file(io.StringIO("".join(learned.dictionary_lines())))
    assert dictionary.symbols[dictionary.nspecial :] == learned.pieces


def test_flags_are_strings(learned, tmp_path):
    flags = learned.fairseq_flags(tmp_path)
    assert flags[-1] == str(tmp_path)
    assert all(isinstance(flag, str) for flag in flags)
