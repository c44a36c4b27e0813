"""How lines become pieces: threads, the cache of words, what each kind of vocabulary makes of unusual characters."""

import pytest

from fairseq_bbpe.text.alphabet import SPACE
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary
from fairseq_bbpe.vocabularies.fairseq_recipe import FairseqVocabulary, byte_encode

TEXT = [b"The cat sat on the mat.", "Der Hut ist größer.".encode(), b"The rat that the cat had sat on."] * 9


@pytest.fixture(scope="module", params=[(Vocabulary, 270), (CharacterVocabulary, 40), (FairseqVocabulary, 40)])
def learned(request):
    kind, size = request.param
    return kind.learn(TEXT, size)


class Recording:
    """A sentencepiece processor that remembers what it was asked."""

    def __init__(self, processor):
        self.processor, self.asked = processor, []

    def encode(self, texts, **options):
        self.asked.append((list(texts), options))
        return self.processor.encode(texts, **options)


def test_encoding_uses_as_many_threads_as_asked(learned):
    whole = [b"nospacesatallinthisline"]
    processor = Recording(learned._processor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "_processor", processor)
        # A vocabulary that tiktoken may segment asks sentencepiece here.
        encode = getattr(learned, "encode_lines_by_sentencepiece", learned.encode_lines)
        expected = encode(whole)
        assert encode(whole, workers=4) == expected
    assert [options["num_threads"] for _, options in processor.asked] == [1, 4]


class SomeLines:
    """Stands for tiktoken, which leaves out what is not UTF-8."""

    def __init__(self):
        self.asked = []

    def encode_lines(self, lines, workers):
        self.asked.append((lines, workers))
        return [None if line.startswith(b"\xff") else "by tiktoken" for line in lines]


@pytest.mark.parametrize("workers", [1, 3])
def test_sentencepiece_segments_only_what_tiktoken_leaves_out(workers, monkeypatch):
    vocabulary, merges, left = Vocabulary.learn((), 256), SomeLines(), []
    vocabulary.__dict__["_merges"] = merges  # a cached property
    by_sentencepiece = vocabulary.encode_lines_by_sentencepiece

    def recorded(lines, workers):
        left.append((lines, workers))
        return by_sentencepiece(lines, workers)

    monkeypatch.setattr(vocabulary, "encode_lines_by_sentencepiece", recorded)
    lines = [b"a", b"\xffb", b"c", b"\xffd"]
    options = {} if workers == 1 else {"workers": workers}  # one thread unless asked for more
    assert vocabulary.encode_lines(lines, **options) == ["by tiktoken", "ſ b", "by tiktoken", "ſ d"]
    assert merges.asked == [(lines, workers)]
    assert left == [([b"\xffb", b"\xffd"], workers)]


def test_a_word_is_segmented_once():
    vocabulary = Vocabulary.learn(TEXT, 270)
    processor = Recording(vocabulary._processor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "_processor", processor)
        encoded = vocabulary.encode_lines_by_sentencepiece([b"a b a", b"a c b"])
        assert vocabulary.encode_lines_by_sentencepiece([b"a c b", b"a b a", b"a d"])[:2] == encoded[::-1]
    # The first word of a line has no space before it.
    spaced = [SPACE + letter for letter in "abcd"]
    assert sorted(processor.asked[0][0]) == sorted(["a", *spaced[:3]])
    assert processor.asked[1][0] == spaced[3:]


def test_words_are_kept_until_one_more_than_fits():
    vocabulary = Vocabulary.learn(TEXT, 270)
    vocabulary.CACHED_WORDS = 3
    for text, kept in [(b"a b c", 3), (b"a b", 3), (b"a d", 2), (b"a d e", 3)]:
        vocabulary.encode_lines_by_sentencepiece([text])
        assert len(vocabulary._segmented) == kept


def test_characters_are_encoded_as_they_were_learned():
    vocabulary = CharacterVocabulary.learn([*TEXT, "\ufffd".encode()], None)
    lines = ["t\u3000h\u2028e".encode(), b"t" + bytes([255])]
    assert vocabulary.encode_lines(lines) == ["\u2581 t \u2581 h \u2581 e", "\u2581 t \ufffd"]


def test_lone_surrogates_are_encoded_as_they_are():
    vocabulary = Vocabulary.learn((), 256)
    assert Vocabulary.decode(vocabulary.encode("a\ud800")) == b"a\xed\xa0\x80"
    assert vocabulary.encode("é") == vocabulary.encode("é".encode()) == "Ń ĩ"


def test_white_space_of_any_kind_is_one_space_in_fairseqs_recipe():
    assert byte_encode("a \t\r b\u3000\u2028c".encode()) == "a b c"
    assert byte_encode(b"\xff") == byte_encode("\ufffd".encode())
    assert FairseqVocabulary.spell(None, "Ã©▁\u4e00") == "é 一".encode()
    assert CharacterVocabulary.spell(None, "é▁") == "é ".encode()
