"""The one grammar of vocabularies, and which class a file is of."""

import pytest

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.fairseq_recipe import FairseqVocabulary
from fairseq_bbpe.vocabularies.specification import KINDS, Specification, load_vocabulary

TEXT = [b"The cat sat on the mat, and the rat that the cat had sat on sat there too."] * 5


@pytest.mark.parametrize(
    "spec", ["", "words", "bbpe", "bbpe:", "bbpe:0", "bbpe:1e3", "bpe:-1", "byte:256", "bbpe:255", "bpe:" + "9" * 19]
)
def test_specifications_are_checked(spec):
    with pytest.raises(UserError, match=r"^--vocab "):
        Specification.parse(spec)


@pytest.mark.parametrize("spec", ["byte", "bbpe:256", "bbpe:300", "char", "bpe:40", "fairseq:40"])
def test_what_is_learned_is_loaded_again_by_its_kind(spec, tmp_path):
    specification = Specification.parse(spec)
    learned = specification.vocabulary(lambda: TEXT)
    assert learned.name == specification.name == spec
    assert type(learned) is KINDS[spec.partition(":")[0]]
    path = tmp_path / learned.FILE
    path.write_bytes(learned.model)
    loaded = Specification.parse(str(path)).vocabulary(lambda: ())
    assert type(loaded) is type(learned)
    assert loaded.pieces == learned.pieces
    assert loaded.encode_lines(TEXT) == learned.encode_lines(TEXT)


def test_each_kind_has_its_file_and_its_flags():
    """What fairseq asks for, which no two kinds share."""
    found = {kind: (vocabulary.FILE, vocabulary.fairseq_flags("M")) for kind, vocabulary in KINDS.items()}
    assert found == {
        "byte": ("bbpe.model", ["--bpe", "bbpe", "--bbpe-model", "M"]),
        "bbpe": ("bbpe.model", ["--bpe", "bbpe", "--bbpe-model", "M"]),
        "char": ("sentencepiece.bpe.model", ["--bpe", "sentencepiece", "--sentencepiece-model", "M"]),
        "bpe": ("sentencepiece.bpe.model", ["--bpe", "sentencepiece", "--sentencepiece-model", "M"]),
        "fairseq": ("byte_bpe.model", ["--bpe", "byte_bpe", "--sentencepiece-model-path", "M"]),
    }
    assert Vocabulary.validation_flags() == ["--eval-bleu", "--eval-bleu-detok", "bbpe_recovery"]
    assert CharacterVocabulary.validation_flags() == ["--eval-bleu", "--eval-bleu-remove-bpe", "sentencepiece"]
    assert FairseqVocabulary.validation_flags() == []


def test_a_name_is_what_was_written_or_the_stem_of_the_file():
    names = ["byte", "bbpe:4096", "char", "bpe:40", "fairseq:40"]
    assert [found.name for found in Specification.parse_all([*names, "folder/ours.model"])] == [*names, "ours"]
    with pytest.raises(UserError, match=r"^--vocab: ours is given twice"):
        Specification.parse_all(["ours.model", "folder/ours.model"])


def test_files_that_are_no_models_are_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"no model")
    with pytest.raises(UserError, match="x: not a sentencepiece model"):
        load_vocabulary(tmp_path / "x")
    with pytest.raises(UserError, match="absent: No such file"):
        load_vocabulary(tmp_path / "absent")
