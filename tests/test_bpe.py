"""`--bpe bbpe` and `bbpe_recovery` as fairseq builds them, and which dictionaries they go with."""

import logging
from argparse import Namespace

import pytest

encoders = pytest.importorskip("fairseq.data.encoders", reason="needs fairseq")
from conftest import QUICK, SMALL, run  # noqa: E402
from fairseq.data import Dictionary  # noqa: E402

import fairseq_bbpe.plugin  # noqa: E402, F401
from fairseq_bbpe import Vocabulary  # noqa: E402
from fairseq_bbpe.bpe import BBPE, check_fits, check_training  # noqa: E402
from fairseq_bbpe.errors import UserError  # noqa: E402

TEXT = ["żółta łódź płynie po wodzie, a druga łódź stoi".encode()] * 9


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A byte-level vocabulary of 300 pieces."""
    return Vocabulary.learn(TEXT, 300).save(tmp_path_factory.mktemp("vocabulary") / "v")[0]


def dictionary(pieces) -> Dictionary:
    """fairseq's, of these pieces."""
    made = Dictionary()
    for piece in pieces:
        made.add_symbol(piece)
    return made


def whole(model) -> Dictionary:
    return Dictionary.load(str(model.with_name("v.dict.txt")))


def observed(model) -> Dictionary:
    """What fairseq-preprocess makes without --srcdict."""
    return dictionary(dict.fromkeys(" ".join(Vocabulary.load(model).encode_lines(TEXT)).split()))


CHARACTERS = "żółta▁łódźpynie"


def test_an_argparse_namespace_serves_as_for_every_bpe_of_fairseq(model):
    bpe = encoders.build_bpe(Namespace(bpe="bbpe", bbpe_model=str(model)))
    assert bpe.decode(bpe.encode("  łódź\u3000 ")) == "  łódź\u3000 "
    assert BBPE(Namespace(bbpe_model=str(model))).encode("łódź") == bpe.encode("łódź")
    for cfg in (Namespace(bpe="bbpe"), Namespace(bpe="bbpe", bbpe_model=None)):
        with pytest.raises(UserError, match=r"--bpe bbpe: give the vocabulary too: --bbpe-model PATH"):
            encoders.build_bpe(cfg)


def test_recovery_of_pieces_of_another_alphabet_passes_them_with_a_warning(model, caplog):
    recovery = encoders.build_tokenizer(Namespace(tokenizer="bbpe_recovery"))
    ours = Vocabulary.load(model).encode("łódź")
    assert recovery.decode(ours) == "łódź"
    with caplog.at_level(logging.WARNING):
        assert recovery.decode("łódź") == "łódź"
        assert recovery.decode("łą ka") == "łą ka"  # of Latin Extended-A alone, as our symbols are
    assert [record.getMessage() for record in caplog.records] == [
        "bbpe_recovery: 'łódź' is not made of bytes' symbols: text passes as it is"
    ]
    assert encoders.build_tokenizer(Namespace(tokenizer="bbpe_recovery")).decode(ours) == "łódź"


def test_a_vocabulary_may_be_of_one_side_alone(model, caplog):
    bpe = BBPE(Namespace(bbpe_model=str(model)))
    check_fits(None, observed(model), observed(model))
    check_fits(bpe, whole(model), whole(model))
    assert not caplog.records
    check_fits(bpe, dictionary(CHARACTERS), whole(model))
    check_fits(bpe, whole(model), dictionary("abc▁"))
    told = [record.getMessage() for record in caplog.records]
    assert [message.partition("pieces are not the ")[2] for message in told] == [
        "source dictionary's: it serves the other side alone",
        "target dictionary's: it serves the other side alone",
    ]


def test_a_dictionary_filled_up_for_a_gpu_fits(model):
    filled = whole(model)
    filled.pad_to_multiple_(64)
    assert len(filled) > len(whole(model))
    check_fits(BBPE(Namespace(bbpe_model=str(model))), filled, filled)
    check_training(filled, filled)


def test_dictionaries_of_neither_side_are_refused(model):
    bpe = BBPE(Namespace(bbpe_model=str(model)))
    with pytest.raises(UserError, match=r"its 300 pieces are not the source dictionary's .*lies beside the data$"):
        check_fits(bpe, dictionary(CHARACTERS), dictionary(CHARACTERS))
    missing = r"pieces are not the {} dictionary's.*it lacks \d+ of the 256 bytes \(the first: 0x00\), .*--srcdict"
    with pytest.raises(UserError, match=missing.format("source")):
        check_fits(bpe, observed(model), observed(model))
    with pytest.raises(UserError, match=missing.format("target")):
        check_fits(bpe, whole(model), observed(model))


def test_training_needs_all_bytes_on_a_byte_level_side(model):
    check_training(whole(model), whole(model), "bbpe_recovery")
    check_training(dictionary(CHARACTERS), dictionary("abc▁"))
    check_training(dictionary(CHARACTERS), whole(model), "bbpe_recovery")
    for sides, name in (((observed(model), whole(model)), "source"), ((whole(model), observed(model)), "target")):
        with pytest.raises(UserError, match=rf"^the {name} dictionary is byte-level; it lacks \d+ of the 256 bytes"):
            check_training(*sides)
    with pytest.raises(UserError, match=r"^--eval-bleu-detok bbpe_recovery: the target dictionary is not byte-level"):
        check_training(whole(model), dictionary(CHARACTERS), "bbpe_recovery")


def test_the_plain_workflow_without_srcdict_is_told_when_training_starts(corpus, tmp_path):
    """learn, encode, fairseq-preprocess --joined-dictionary; and as `learn` says, with --srcdict."""
    sides = [corpus / "test.src", corpus / "test.en"]
    said = run("fairseq-bbpe", "learn", "--input", *sides, "--vocab-size", "300", "--output", tmp_path / "v").stderr
    command = next(line.split() for line in said.splitlines() if "fairseq-preprocess" in line)
    srcdict = command[command.index("--srcdict") : command.index("--srcdict") + 2]
    assert srcdict[1] == f"{tmp_path}/v.dict.txt"
    for side in sides:
        encoded = run("fairseq-bbpe", "encode", "--model", tmp_path / "v.model", stdin=side.read_text(encoding="utf-8"))
        (tmp_path / f"t{side.suffix}").write_text(encoded.stdout, encoding="utf-8")
    files = ["--source-lang", "src", "--target-lang", "en", "--trainpref", tmp_path / "t", "--joined-dictionary"]
    plain = [*QUICK, *SMALL, "--task", "translation_bbpe", "--optimizer", "sgd", "--lr", "0.1", "--batch-size", "4"]
    plain += ["--valid-subset", "train", "--disable-validation", "--max-update", "1", "--no-save"]
    run("fairseq-preprocess", *files, "--destdir", tmp_path / "without")
    failed = run("fairseq-train", tmp_path / "without", *plain, status=None)
    assert "error: the source dictionary is byte-level; it lacks" in failed.stderr.splitlines()[-1]
    run("fairseq-preprocess", *files, *srcdict, "--destdir", tmp_path / "with")
    run("fairseq-train", tmp_path / "with", *plain)
