"""A vocabulary loses nothing, knows everything, and says in one line what is wrong with its input."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE, SYMBOLS, bytes_to_symbols
from fairseq_bbpe.text.display import show_pieces
from fairseq_bbpe.vocabularies.byte_level import UNKNOWN, Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.training import train

GOLDEN = Path(__file__).parent / "golden"
TEXT = [
    line.encode()
    for line in """\
The cat sat on the mat, and the rat that the cat had sat on sat there too.
ねこはマットの上にすわった。ねずみもマットの上にすわった。
Кошка сидела на коврике, и крыса сидела на коврике.
고양이가 매트 위에 앉았다. 쥐도 매트 위에 앉았다.
""".splitlines()
]


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.learn(TEXT, 320)


lines = st.lists(
    st.one_of(st.binary(), st.text().map(str.encode), st.text(" a\u3000\r\0").map(str.encode)), max_size=20
)


@given(lines)
def test_any_lines_survive(vocabulary, lines):
    encoded = vocabulary.encode_lines(lines)
    assert [Vocabulary.decode(pieces) for pieces in encoded] == lines
    known = set(vocabulary.pieces)
    assert all(piece in known for pieces in encoded for piece in pieces.split())


@given(st.text(st.characters()))
def test_any_text_survives(vocabulary, text):
    assert Vocabulary.decode(vocabulary.encode(text)).decode("utf-8", "surrogatepass") == text


@given(st.lists(st.text("the cat's mañ 猫", max_size=60).map(str.encode), max_size=20))
def test_cached_words_segment_as_whole_lines_do(vocabulary, lines):
    whole = [
        " ".join(pieces) for pieces in vocabulary._processor.encode(list(map(bytes_to_symbols, lines)), out_type=str)
    ]
    for bytes_per_space in (0, 10**9):
        vocabulary.BYTES_PER_SPACE = bytes_per_space
        assert vocabulary.encode_lines_by_sentencepiece(lines) == whole
    del vocabulary.BYTES_PER_SPACE


def test_cache_of_words_is_bounded(vocabulary):
    vocabulary = Vocabulary(vocabulary.model)
    vocabulary.CACHED_WORDS = 10
    for number in range(100):
        text = f"a b c {number}".encode()
        assert Vocabulary.decode(*vocabulary.encode_lines_by_sentencepiece([text])) == text
        assert 4 <= len(vocabulary._segmented) <= 10


@settings(max_examples=10)
@given(st.lists(st.text(max_size=30).map(str.encode), max_size=6))
def test_all_256_bytes_are_pieces_whatever_the_text(lines):
    vocabulary = Vocabulary.learn(lines, 256)
    assert sorted(vocabulary.pieces) == sorted(SYMBOLS)


def test_size_counts_the_lines_of_the_dictionary(vocabulary):
    dictionary = list(vocabulary.dictionary_lines())
    assert len(vocabulary) == len(dictionary) == len(set(dictionary)) == 320
    assert set(SYMBOLS) <= set(vocabulary.pieces)
    assert UNKNOWN not in vocabulary.pieces
    assert vocabulary._processor.id_to_piece(vocabulary._processor.unk_id()) == UNKNOWN


def test_learning_is_deterministic_and_does_not_depend_on_workers(vocabulary):
    assert Vocabulary.learn(TEXT, 320).model == vocabulary.model
    assert Vocabulary.learn(TEXT, 320, workers=2).pieces == vocabulary.pieces


def test_dictionary_is_as_it_was(vocabulary):
    assert "".join(vocabulary.dictionary_lines()) == (GOLDEN / "dict.txt").read_text(encoding="utf-8")


def test_shown_tokens_are_as_they_were(vocabulary):
    shown = [show_pieces(pieces) for pieces in vocabulary.encode_lines([*TEXT, b"\0 tab\t\xe3\x81"])]
    assert "\n".join([*shown, ""]) == (GOLDEN / "show.txt").read_text(encoding="utf-8")


def test_merges_join_bytes_into_characters_and_across_them(vocabulary):
    """What a mixed-script alphabet cannot do: the reason for this one."""
    characters = [Vocabulary.decode(piece).decode("utf-8", "replace") for piece in vocabulary.pieces if len(piece) > 1]
    assert any(len(text) > 1 and not text.isascii() and "\ufffd" not in text for text in characters)
    assert not any(SPACE in piece[1:] for piece in vocabulary.pieces)


def test_long_lines_and_long_words_are_learned_from():
    beyond_sentencepiece = b"ab" * 100_000  # one word, longer than its trainer can count
    assert "abababab" in Vocabulary.learn([beyond_sentencepiece], 260).pieces


def test_pieces_of_a_few_characters_of_any_script_fit():
    vocabulary = Vocabulary.learn(["ありがとうございます".encode()] * 50, 285)
    assert "ありがとうございます" in [Vocabulary.decode(piece).decode("utf-8", "ignore") for piece in vocabulary.pieces]


def test_the_longest_piece_has_128_symbols():
    text = [b"a" * 128, b"xa" * 64 + b"y"] * 20
    with pytest.raises(UserError) as refused:
        Vocabulary.learn(text, 50_000)
    largest = int(str(refused.value).partition("at most ")[2].partition(":")[0])
    assert max(map(len, Vocabulary.learn(text, largest).pieces)) == 128


@pytest.mark.parametrize("size", [0, 255])
def test_too_small_a_size_is_refused(size):
    with pytest.raises(UserError, match=f"size {size}: .* 256 or more"):
        Vocabulary.learn(TEXT, size)


def test_too_large_a_size_names_the_largest():
    with pytest.raises(UserError, match=r"size 50000: this text supports at most \d+") as refused:
        Vocabulary.learn(TEXT, 50_000)
    largest = int(str(refused.value).partition("at most ")[2].partition(":")[0])
    assert len(Vocabulary.learn(TEXT, largest)) == largest


def test_files_are_written_whole_and_read_back(vocabulary, tmp_path):
    model, dictionary = vocabulary.save(tmp_path / "v")
    assert Vocabulary.load(model).pieces == vocabulary.pieces
    assert dictionary.read_text(encoding="utf-8").splitlines(True) == list(vocabulary.dictionary_lines())
    assert {path.name for path in tmp_path.iterdir()} == {"v.model", "v.dict.txt"}
    with pytest.raises(UserError, match=r"no/v\.model: No such file"):
        vocabulary.save(tmp_path / "no" / "v")


def test_models_that_are_not_ours_are_refused(tmp_path):
    characters = CharacterVocabulary.learn(TEXT, None).model
    sentences = [*SYMBOLS, *[bytes_to_symbols(line) for line in TEXT * 9]]
    options = {"own_pieces": 3, "workers": 1, "verbose": False, "model_type": "bpe"}
    prefixed = train(sentences, 300, **options)
    across_spaces = train(sentences, 300, **options, add_dummy_prefix=False, split_by_whitespace=False)
    for name, content, problem in [
        ("empty", b"", "not a sentencepiece model"),
        ("text", b"the cat sat\n" * 9, "not a sentencepiece model"),
        ("cut", Vocabulary.learn(TEXT, 300).model[:2000], "not"),
        ("characters", characters, "not over bytes"),
        ("prefixed", prefixed, "not over bytes"),
        ("across_spaces", across_spaces, "not over bytes"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: .*{problem}.*fairseq-bbpe learn"):
            Vocabulary.load(tmp_path / name)
    with pytest.raises(UserError, match="absent: No such file"):
        Vocabulary.load(tmp_path / "absent")


def test_a_sample_still_has_every_byte():
    vocabulary = Vocabulary.learn(TEXT * 50, 300, sample=10)
    assert set(SYMBOLS) <= set(vocabulary.pieces)


def test_pieces_spelled_like_fairseq_symbols_are_told_apart(tmp_path):
    """sentencepiece never joins brackets and letters by itself, but a model learned with other options is ours too."""
    written = tmp_path / "specials"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*SYMBOLS, *["<unk>"] * 50]),
        model_prefix=str(written),
        model_type="bpe",
        vocab_size=261,
        split_by_unicode_script=False,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        unk_piece=UNKNOWN,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        minloglevel=3,
    )
    vocabulary = Vocabulary.load(f"{written}.model")
    assert "<unk>" in vocabulary.pieces
    _, dictionary = vocabulary.save(written)
    fairseq_data = pytest.importorskip("fairseq.data", reason="needs fairseq")
    loaded = fairseq_data.Dictionary.load(str(dictionary))
    assert len(loaded) == 4 + len(vocabulary)
    assert loaded.index("<unk>") != loaded.unk()


def test_fairseq_reads_the_dictionary_in_order(vocabulary, tmp_path):
    fairseq_data = pytest.importorskip("fairseq.data", reason="needs fairseq")
    _, dictionary = vocabulary.save(tmp_path / "v")
    loaded = fairseq_data.Dictionary.load(str(dictionary))
    assert loaded.symbols[loaded.nspecial :] == vocabulary.pieces
    ids = loaded.encode_line(vocabulary.encode(" two  spaces,\ttab\r\u2028 "), add_if_not_exist=False)
    assert loaded.unk() not in ids
    assert Vocabulary.decode(loaded.string(ids)) == " two  spaces,\ttab\r\u2028 ".encode()


def test_text_needs_neither_torch_nor_fairseq():
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'fairseq', 'numpy', 'omegaconf'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from fairseq_bbpe import Vocabulary, recover\nfrom fairseq_bbpe.text import pieces_to_text\n"
        "v = Vocabulary.learn([b'a b'], 256); assert pieces_to_text(v.encode('caf\\u00e9')) == 'caf\\u00e9'\n"
        "import fairseq_bbpe.cli.learn, fairseq_bbpe.cli.encode, fairseq_bbpe.cli.decode, fairseq_bbpe.cli.show\n"
        "import fairseq_bbpe.cli.prepare, fairseq_bbpe.vocabularies, fairseq_bbpe.corpus.preparation\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif("BBPE_DATA" not in os.environ, reason="set BBPE_DATA to a folder of ja-en/, x-en/, si-en/ text")
def test_real_text():
    data = Path(os.environ["BBPE_DATA"])

    def read(name):
        return (data / name).read_bytes().removesuffix(b"\n").split(b"\n")

    train = [read("x-en/train.src"), read("x-en/train.en")]
    vocabulary = Vocabulary.learn([*train[0], *train[1]], 4096, workers=2)
    pieces = [line.count(" ") + 1 for side in train for line in vocabulary.encode_lines(side, workers=2)]
    assert sum(pieces) / len(pieces) <= 13.5
    unseen_script = read("si-en/test.si") + read("si-en/test.en")
    encoded = vocabulary.encode_lines(unseen_script, workers=2)
    assert [Vocabulary.decode(line) for line in encoded] == unseen_script
    assert {piece for line in encoded for piece in line.split()} <= set(vocabulary.pieces)
