"""tokenizer.json and tiktoken's ranks segment as sentencepiece does; tokenizer.json numbers as fairseq does."""

import base64
import json

import pytest
from conftest import ROOT, run
from fairseq.data import Dictionary
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.export.tokenizer_files import WORD, tiktoken_ranks, tokenizers_json
from fairseq_bbpe.text import recover
from fairseq_bbpe.vocabularies import Vocabulary

TEXT = [
    "aaaa aaaaaa  abab ababab banana </s> <s>",
    "the cat sat on the mat",
    "日本語の日本 ねこは русский язык",
]
VOCABULARY = Vocabulary.learn([line.encode() for line in TEXT] * 9, size=330)
TEXTS = st.one_of(st.text(), st.binary().map(recover), st.text("ab "), st.text("日本語の <s>/"), st.sampled_from(TEXT))


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    path = tmp_path_factory.mktemp("dict") / "dict.txt"
    path.write_text("".join(VOCABULARY.dictionary_lines()), encoding="utf-8")
    return Dictionary.load(str(path))


def ids(dictionary, text: str) -> list[int]:
    return [dictionary.index(piece) for piece in VOCABULARY.encode(text).split()]


@pytest.fixture(scope="module")
def tokenizer():
    return pytest.importorskip("tokenizers").Tokenizer.from_str(tokenizers_json(VOCABULARY))


@pytest.fixture(scope="module")
def encoding():
    tiktoken = pytest.importorskip("tiktoken")
    lines = (line.split() for line in tiktoken_ranks(VOCABULARY).splitlines())
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in lines}
    return tiktoken.Encoding("bbpe", pat_str=WORD, mergeable_ranks=ranks, special_tokens={"</s>": 2})


@given(text=TEXTS)
def test_tokenizers_gives_the_ids_of_fairseq(text, tokenizer, dictionary):
    encoded = tokenizer.encode(text)
    assert encoded.ids == [*ids(dictionary, text), dictionary.eos()]
    assert tokenizer.decode(encoded.ids[:-1]) == text


@given(text=TEXTS)
def test_tiktoken_gives_the_same_pieces(text, encoding):
    found = encoding.decode_tokens_bytes(encoding.encode(text, disallowed_special=()))
    assert found == list(map(VOCABULARY.spell, VOCABULARY.encode(text).split()))


def test_merges_go_by_their_own_order_and_not_by_frequency():
    """Where "ab" is learned first, and then most often joined with more."""
    vocabulary = Vocabulary.learn([b"abcd abce abcf abcg xbcz xbcy cab cab"] * 9, size=275)
    assert vocabulary.merge_order != vocabulary.pieces
    assert sorted(vocabulary.merge_order) == sorted(vocabulary.pieces)
    merges = json.loads(tokenizers_json(vocabulary))["model"]["merges"]
    made = list(dict.fromkeys("".join(pair) for pair in merges))
    assert made == [piece.replace("▁", "\u0120") for piece in vocabulary.merge_order if len(piece) > 1]


def test_special_symbols_have_their_ids(tokenizer, dictionary):
    for symbol in ("<s>", "<pad>", "</s>", "<unk>"):
        assert tokenizer.token_to_id(symbol) == dictionary.index(symbol)


def test_a_piece_that_is_spelled_like_a_special_symbol_is_refused():
    vocabulary = Vocabulary.learn([], size=256)
    vocabulary.pieces.append("<s>")  # sentencepiece has not been seen to learn it, and does not exclude it
    with pytest.raises(UserError, match="piece <s> is spelled like fairseq's own symbol"):
        tokenizers_json(vocabulary)


def test_another_dictionary_beside_the_model_is_refused(tmp_path):
    model, _ = VOCABULARY.save(tmp_path / "bbpe")
    assert tokenizers_json(Vocabulary.load(model)) == tokenizers_json(VOCABULARY)
    lines = list(VOCABULARY.dictionary_lines())
    (tmp_path / "dict.en.txt").write_text("".join(lines[::-1]), encoding="utf-8")
    with pytest.raises(UserError, match=r"dict.en.txt: not the dictionary of"):
        tokenizers_json(Vocabulary.load(model))


def test_the_script_that_compares_them_on_files_finds_no_difference(tmp_path):
    pytest.importorskip("tokenizers")
    pytest.importorskip("tiktoken")
    VOCABULARY.save(tmp_path / "bbpe")
    (tmp_path / "text").write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    out = run("python", ROOT / "scripts/check_tokenizers.py", "--model", tmp_path / "bbpe.model", tmp_path / "text")
    pieces = sum(len(VOCABULARY.encode(line).split()) for line in TEXT)
    assert out.stdout.splitlines()[-1] == f"| all | 3 | {pieces} | 0 | 0 |"
