"""The vocabulary of fairseq's own example is the one that fairseq itself would make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.vocabularies.fairseq_recipe import SYMBOLS, FairseqVocabulary


def test_the_symbols_are_fairseqs():
    byte_utils = pytest.importorskip("fairseq.data.encoders.byte_utils", reason="needs fairseq")
    assert dict(enumerate(SYMBOLS)) == byte_utils.BYTE_TO_BCHAR


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_fairseqs_recipe_is_fairseqs(text):
    pytest.importorskip("fairseq")
    from fairseq.data.encoders.byte_utils import WHITESPACE_NORMALIZER, byte_encode

    vocabulary = _recipe()
    pieces = vocabulary.encode_lines([text.encode()])[0].split()
    assert pieces == vocabulary._processor.EncodeAsPieces(byte_encode(text))  # as its --bpe byte_bpe does
    normal = WHITESPACE_NORMALIZER.sub(" ", text)
    if set(byte_encode(normal).replace(" ", "▁")) <= set(vocabulary.pieces):  # nothing is <unk>
        assert b"".join(map(vocabulary.spell, pieces)).split() == normal.encode().split()


def _recipe(kept=[]):  # noqa: B006
    kept or kept.append(FairseqVocabulary.learn([bytes(range(1, 128)), "aé猫ب 😀x".encode()] * 3, 160))
    return kept[0]
