"""What `fairseq-bbpe analyze` is made of, against worked examples and brute force."""

import errno
import math
from collections import Counter

import pytest
from conftest import run
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.analysis.character_sets import (
    DATASET_COLUMNS,
    count_characters,
    dataset_row,
    most_frequent_that_cover,
)
from fairseq_bbpe.analysis.library import Library
from fairseq_bbpe.analysis.parallel_text import LINES, ParallelText
from fairseq_bbpe.analysis.partial_characters import PARTIAL_COLUMNS, is_partial, partial_row
from fairseq_bbpe.analysis.piece_counts import count_by_language, count_pieces
from fairseq_bbpe.analysis.piece_frequencies import frequency_table
from fairseq_bbpe.analysis.sharing import sharing_column
from fairseq_bbpe.analysis.tables import read_table, save_table
from fairseq_bbpe.analysis.token_lengths import length_row
from fairseq_bbpe.analysis.tokens import show_tokens
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.vocabularies import Specification, Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary

SOURCE = ["猫がマットの上に座った", "", "naïve 猫 ", "مرحبا بكم"] * 5
TARGET = ["the cat sat on the mat", "nothing", "a naïve cat", "welcome\u2028here"] * 5
LANGUAGES = ["ja", "ja", "fr", "ar"] * 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files src, en and lang."""
    folder = tmp_path_factory.mktemp("text")
    for name, lines in (("src", SOURCE), ("en", TARGET), ("lang", LANGUAGES)):
        (folder / name).write_bytes("\n".join(lines).encode() + b"\n")
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return ParallelText.of_files(folder / "src", folder / "en", folder / "lang")


@pytest.fixture(scope="module")
def bbpe(text):
    return Vocabulary.learn(text.both_sides(), 300)


@given(st.text(max_size=20), st.data())
def test_a_piece_is_partial_where_a_cut_goes_through_a_character(characters, data):
    encoded = characters.encode("utf-8", "ignore")
    whole = encoded.decode()
    bounds = {len(whole[:n].encode()) for n in range(len(whole) + 1)}
    start = data.draw(st.integers(0, len(encoded)))
    end = data.draw(st.integers(start, len(encoded)))
    # Both cuts may fall into one character; nothing at all is no part of one.
    assert is_partial(encoded[start:end]) == (start < end and not {start, end} <= bounds)


@given(st.dictionaries(st.characters(), st.integers(1, 9), min_size=1), st.floats(0.01, 1))
def test_the_fewest_characters_that_cover_a_share(counts, share):
    counts = Counter(counts)
    descending = sorted(counts.values(), reverse=True)
    number = most_frequent_that_cover(counts, share)
    assert sum(descending[:number]) >= share * sum(descending)
    assert number == 1 or sum(descending[: number - 1]) < share * sum(descending)


def test_a_data_set_is_counted_by_characters_and_bytes(text):
    row = dict(zip(DATASET_COLUMNS, dataset_row(text), strict=True))
    assert row["lines"] == 20
    assert row["languages"] == 3
    assert row["source_characters"] == sum(map(len, SOURCE))
    assert row["target_bytes"] == len("".join(TARGET).encode())
    assert row["character_set"] == row["characters_for_99.99%"] == len(set("".join(SOURCE + TARGET)))
    assert row["source_character_set"] == len(set("".join(SOURCE)))


def test_two_lines_make_no_character(tmp_path):
    (tmp_path / "src").write_bytes(b"\xe6\x97\n\xa5a\n")
    (tmp_path / "en").write_bytes(b"a\nb\n")
    found = count_characters(ParallelText.of_files(tmp_path / "src", tmp_path / "en"))
    assert found == (Counter("a"), Counter("ab"))


def test_blocks_hold_all_lines_in_step(tmp_path):
    count = 2 * LINES + 5
    for name in ("a", "b"):
        (tmp_path / name).write_text("".join(f"{name}{n}\r{n}\n" for n in range(count)), newline="")
    blocks = list(ParallelText.of_files(tmp_path / "a", tmp_path / "b").blocks("test"))
    assert [len(block[0]) for block in blocks] == [LINES, LINES, 5]
    for source, target, languages in blocks:
        assert [line[1:] for line in source] == [line[1:] for line in target]
        assert languages == [""] * len(source)


@pytest.mark.parametrize("kind", ["byte", "bbpe:300", "char", "bpe:70", "fairseq:90"])
def test_counts_are_those_of_the_segmented_lines(text, kind):
    vocabulary = Library(text).find(Specification.parse(kind))
    source, target = count_pieces(text, vocabulary)
    for counts, lines in ((source, SOURCE), (target, TARGET)):
        pieces = [piece for line in lines for piece in vocabulary.encode_lines([line.encode()])[0].split()]
        assert counts == Counter(pieces)
    assert sum(count_by_language(text, vocabulary).values(), Counter()) == source
    row = length_row(vocabulary, source, target, text)
    assert float(row[1]) + float(row[2]) == pytest.approx(float(row[3]), abs=0.011)
    assert float(row[4]) == pytest.approx(source.total() / target.total(), abs=0.001)
    assert float(row[5]) == pytest.approx(100 * source.total() / len("".join(SOURCE).encode()), abs=0.01)


def test_a_byte_vocabulary_is_as_long_as_the_text_and_all_of_non_ascii_is_partial(text):
    vocabulary = Library(text).find(Specification.parse("byte"))
    source, target = count_pieces(text, vocabulary)
    assert source.total() == sum(len(line.encode()) for line in SOURCE)
    row = dict(zip(PARTIAL_COLUMNS, partial_row(vocabulary, source + target, "aé猫"), strict=True))
    everything = "".join(SOURCE + TARGET).encode()
    beyond = sum(byte >= 0x80 for byte in everything)
    assert row["tokens_partial_%"] == f"{100 * beyond / len(everything):.2f}"
    assert row["entries_partial_%"] == "50.00"
    assert (row["characters_whole"], row["characters_decomposed"]) == (1, 2)


def test_characters_are_whole_where_an_entry_holds_all_their_bytes(text, bbpe):
    source, target = count_pieces(text, bbpe)
    characters = set("".join(SOURCE + TARGET))
    entries = [bbpe.spell(piece) for piece in bbpe.pieces]
    whole = sum(any(character.encode() in entry for entry in entries) for character in characters)
    row = dict(zip(PARTIAL_COLUMNS, partial_row(bbpe, source + target, characters), strict=True))
    assert (row["characters_whole"], row["characters_decomposed"]) == (whole, len(characters) - whole)
    assert 0 < whole < len(characters)


@given(st.dictionaries(st.sampled_from(["ar", "he", "ru"]), st.text("abcdef", max_size=5)))
def test_sharing_counts_languages_of_each_symbol(used):
    counts = {language: Counter(symbols) for language, symbols in used.items()}
    among = ["ar", "ru"]
    expected = [0, 0, 0]
    for symbol in "abcde":
        expected[sum(symbol in used.get(language, "") for language in among)] += 1
    assert sharing_column("abcde", counts, among) == expected


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=400))
def test_frequencies_fall_and_the_rarest_is_kept(values):
    values = [*values, 1]
    header, rows = frequency_table({"x": Counter(dict(enumerate(values)))})
    descending = sorted(filter(None, values), reverse=True)
    assert header == ("rank", "x")
    assert rows[-1] == (len(descending), "0.000")
    assert [rank for rank, _ in rows] == sorted({rank for rank, _ in rows})
    assert all(value == f"{math.log2(descending[rank - 1]):.3f}" for rank, value in rows)


def test_a_long_frequency_table_is_thinned_in_the_logarithm():
    header, rows = frequency_table({"long": Counter(range(50_000)), "short": Counter("ab")})
    assert header == ("rank", "long", "short")
    assert len(rows) < 480
    assert {1, 2, 10, 100, 1000, 10_000, 50_000} <= {row[0] for row in rows}
    assert [row[2] for row in rows[:3]] == ["0.000", "0.000", "-"]


def test_tokens_are_those_that_show_prints(folder, bbpe, tmp_path):
    model = tmp_path / "ours.model"
    Vocabulary.learn((line.encode() for line in SOURCE + TARGET), 300).save(tmp_path / "ours")
    files = ["--source", folder / "src", "--target", folder / "en", "--vocab", model, "--output", tmp_path / "t"]
    run("fairseq-bbpe", "analyze", "tokens", *files, f"--source-text={SOURCE[0]}", "--target-text=-x")
    (row,) = read_table(tmp_path / "t")[1]
    shown = run("fairseq-bbpe", "show", "--model", model, stdin=SOURCE[0]).stdout
    assert row == ["-", "ours", str(len(shown.split())), "2", shown, "- x"]
    characters = CharacterVocabulary.learn([b"Latin letters \xc4\x81"], None)
    assert show_tokens(characters, "ā t") == ["_", "ā", "_", "t"]


def test_a_vocabulary_is_learned_once_and_only_on_its_own_text(text, folder, tmp_path, monkeypatch, capsys):
    specifications = Specification.parse_all(["byte", "bbpe:300", "char", "bpe:70", "bpe:100000"])
    first = list(Library(text, tmp_path / "models").each(specifications))
    assert [vocabulary.name for vocabulary in first] == ["byte", "bbpe:300", "char", "bpe:70"]
    assert "bpe:100000 is left out: vocabulary size 100000: " in capsys.readouterr().err
    for kind in (Vocabulary, CharacterVocabulary):
        monkeypatch.delattr(kind, "learn")
    again = list(Library(text, tmp_path / "models").each(specifications[:-1]))
    assert [vocabulary.pieces for vocabulary in again] == [vocabulary.pieces for vocabulary in first]
    with pytest.raises(UserError, match="holds vocabularies of another text: give another folder"):
        Library(ParallelText.of_files(folder / "en", folder / "src"), tmp_path / "models")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/text").write_bytes(b"\xff")
    with pytest.raises(UserError, match="holds vocabularies of another text: give another folder"):
        Library(text, tmp_path / "other")
    (tmp_path / "models/char.model").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"char\.model: not a sentencepiece model: .* remove it"):
        list(Library(text, tmp_path / "models").each(specifications))


@pytest.mark.parametrize(
    ("content", "message"),
    [("a\tb", "has no rows"), ("a\tb\n1\n", "line 2 has 1 columns, the first has 2"), (None, "No such file")],
)
def test_a_table_is_read_as_it_was_saved_or_refused(tmp_path, content, message):
    save_table(tmp_path / "good", ("a", "b"), [(1, "x y"), ("-", "")])
    assert read_table(tmp_path / "good") == (["a", "b"], [["1", "x y"], ["-", ""]])
    if content is not None:
        (tmp_path / "bad").write_text(content)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "bad")


def test_a_table_that_cannot_be_written_leaves_what_was_there(tmp_path):
    save_table(tmp_path / "table", ("a", "b"), [(1, 2)])
    before = (tmp_path / "table").read_bytes()

    def rows():
        yield (3, 4)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as found:
        save_table(tmp_path / "table", ("a", "b"), rows())
    assert found.value.filename == str(tmp_path / "table")
    assert list(tmp_path.iterdir()) == [tmp_path / "table"]
    assert (tmp_path / "table").read_bytes() == before
