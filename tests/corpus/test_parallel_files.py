"""Which files make a corpus, and what is said of their lines."""

import pytest

from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.lines import BLOCK


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train", "valid", "test", "more"):
        for language in ("de", "en"):
            (tmp_path / f"{name}.{language}").write_bytes(f"{name}\nin {language}".encode())
    return tmp_path


def test_splits_have_fairseqs_names(folder):
    corpus = Corpus.of_prefixes("de", "en", "train", "valid", "test,more")
    assert corpus.prefixes == {"train": "train", "valid": "valid", "test": "test", "test1": "more"}
    assert list(corpus.training_lines()) == [b"train", b"in de", b"train", b"in en"]
    assert {language: str(path) for language, path in corpus.files("test1").items()} == {
        "de": "more.de",
        "en": "more.en",
    }
    assert corpus.warnings == []


def test_a_source_alone_needs_no_target(folder):
    (folder / "test.en").unlink()
    with pytest.raises(UserError, match=r"--testpref test\.en: No such file"):
        Corpus.of_prefixes("de", "en", None, None, "test")
    corpus = Corpus.of_prefixes("de", "en", None, None, "test", only_source=True)
    assert list(corpus.files("test")) == ["de"] == list(corpus.languages)
    with pytest.raises(UserError, match="no text: give --trainpref, --validpref or --testpref"):
        Corpus.of_prefixes("de", "en", None)


@pytest.mark.parametrize(("start", "crlf"), [(0, 3), (BLOCK - 1, 3), (BLOCK, 3)])
def test_lines_that_end_in_cr_lf_are_told(folder, start, crlf):
    """Also where a block ends between the two."""
    (folder / "valid.de").write_bytes(b"x" * start + b"\r\nb\r\n\rc\n\n\r\nd\r")
    (folder / "valid.en").write_bytes(b"\n" * 6)
    corpus = Corpus.of_prefixes("de", "en", "train", "valid")
    assert corpus.warnings == [
        f"valid.de: {crlf} of 6 lines end in CR LF, and the CR would be part of the text: strip it with "
        r"sed -i 's/\r$//' valid.de"
    ]
