"""The paper's two baselines over characters see the text that BBPE sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.text.alphabet import SPACE
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary, characters_of

TEXT = [
    b"The cat sat on the mat, and the rat that the cat had sat on sat there too.",
    "ねこはマットの上にすわった。ねずみもマットの上にすわった。".encode(),
]


def test_character_baselines_see_the_same_text():
    characters = CharacterVocabulary.learn(TEXT, None)
    text = b"".join(TEXT).decode()
    assert set("".join(characters.pieces)) == set(text.replace(" ", SPACE))
    assert characters.encode_lines([TEXT[1]])[0].split() == [SPACE, *TEXT[1].decode()]
    assert len(CharacterVocabulary.learn(TEXT, len(characters) + 20)) == len(characters) + 20
    with pytest.raises(UserError, match=f"size 9: this text has more characters: give {len(characters)} or more"):
        CharacterVocabulary.learn(TEXT, 9)


def test_a_line_with_a_reserved_character_is_learned_from():
    characters = CharacterVocabulary.learn(["ab▅c\0".encode(), b"a"], None)
    assert set(characters.pieces) == {SPACE, "a", "b", "c"}
    assert CharacterVocabulary.learn(["xyzxyz▅".encode()] * 9, 6).pieces[0] in ("xyz", "xyzxyz")


@given(st.binary())
def test_characters_have_no_white_space_but_spaces(data):
    assert set("".join(filter(str.isspace, characters_of(data)))) <= {" "}
