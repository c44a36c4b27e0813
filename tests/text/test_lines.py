r"""Lines of bytes end at ``\n`` alone, whatever the blocks in which they come, and leave as soon as they came."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.text import lines
from fairseq_bbpe.text.lines import map_lines, read_lines

texts = st.lists(st.sampled_from([b"\n", b"\r", b"a", b"bc", b"\xe2\x80\xa8", b"\x85", b"\0"]), max_size=40).map(
    b"".join
)


class Trickle(io.BytesIO):
    """A pipe that never holds more than `most` bytes."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most
        self.asked = []

    def read1(self, size=-1):
        self.asked.append(size)
        return super().read1(min(size, self.most))


def numbered(block):
    return [b"<%s>" % line for line in block]


@given(texts)
def test_a_file_has_the_lines_between_its_newlines(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(text)
    found = list(read_lines(path))
    assert b"\n".join(found) == text.removesuffix(b"\n")
    assert len(found) == text.count(b"\n") + (text != b"" and not text.endswith(b"\n"))
    assert list(read_lines(str(path))) == found


@given(texts, st.integers(1, 9))
def test_no_block_breaks_a_line_and_no_newline_is_added(text, most):
    sink = io.BytesIO()
    map_lines(numbered, Trickle(text, most), sink)
    body = text.removesuffix(b"\n")
    expected = b"\n".join(numbered(body.split(b"\n"))) + text[len(body) :]
    assert sink.getvalue() == (expected if text else b"")


def test_what_was_read_is_written_before_more_is_read():
    written = io.BytesIO()
    sink = io.BufferedWriter(written, buffer_size=2**20)

    class Watched(Trickle):
        def read1(self, size=-1):
            assert written.getvalue() == self.getvalue()[: self.tell()].upper()
            return super().read1(size)

    source = Watched(b"one\ntwo\nthree", most=4)
    map_lines(lambda block: [line.upper() for line in block], source, sink)
    assert written.getvalue() == b"ONE\nTWO\nTHREE"
    assert len(source.asked) == 4


def test_blocks_feed_threads_and_fit_a_cache():
    source = Trickle(b"a\n" * 9, most=2)
    map_lines(list, source, io.BytesIO())
    assert set(source.asked) == {lines.BLOCK}
    assert 2**16 <= lines.BLOCK <= 2**20


def test_a_missing_file_is_the_callers_matter(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_lines(tmp_path / "absent"))
