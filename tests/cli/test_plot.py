"""`fairseq-bbpe plot`: figures are pure functions of their tables, and wrong tables are told in one line."""

import pytest

pytest.importorskip("matplotlib")
from conftest import run
from matplotlib.figure import Figure

from fairseq_bbpe.analysis.contextualization import draw_contextualization
from fairseq_bbpe.analysis.palette import bar_style, line_style
from fairseq_bbpe.analysis.piece_frequencies import draw_frequencies
from fairseq_bbpe.analysis.sharing import draw_sharing

TABLES = {
    "frequencies": "rank\tchar\tbbpe:2048\n1\t9.000\t5.000\n2\t1.000\t-\n",
    "sharing": "languages\tchar\tbbpe:2048\n0\t4\t0\n1\t3\t7\n2\t1\t1\n",
    "contextualization": "vocabulary\tcontext\tbleu\tchrf\tminutes\nbyte\tnone\t28.5\t50\t3\nbyte\tgru\t30.1\t-\t4\n",
}


def rows_of(kind):
    header, *rows = [line.split("\t") for line in TABLES[kind].splitlines()]
    return header, rows


@pytest.mark.parametrize("kind", TABLES)
def test_the_same_table_gives_the_same_figure(kind, tmp_path):
    (tmp_path / "日本語.tsv").write_text(TABLES[kind])  # the file's name becomes a title
    pictures = []
    for name in ("a.png", "b.png"):
        run("fairseq-bbpe", "plot", kind, "--table", tmp_path / "日本語.tsv", "--output", tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0].startswith(b"\x89PNG\r\n\x1a\n")
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("kind", ["frequencies", "contextualization"])
def test_dollars_are_dollars(kind, tmp_path):
    (tmp_path / "table").write_text(TABLES[kind].replace("by", r"$\by$").replace("char", r"$\char$"))
    run("fairseq-bbpe", "plot", kind, "--table", tmp_path / "table", "--titles", r"$\foo$", "--output", tmp_path / "y")
    assert (tmp_path / "y").read_bytes().startswith(b"\x89PNG")


def test_frequencies_are_a_line_for_each_vocabulary():
    axes = Figure().subplots()
    draw_frequencies(*rows_of("frequencies"), axes)
    assert [line.get_label() for line in axes.lines] == ["char", "bbpe:2048"]
    assert axes.lines[0].get_xydata().tolist() == [[1, 9], [2, 1]]
    assert axes.lines[1].get_xydata().tolist() == [[1, 5]]


def test_sharing_is_bars_of_shares_of_the_pieces_that_occur():
    axes = Figure().subplots()
    draw_sharing(*rows_of("sharing"), axes)
    assert [bar.get_height() for bar in axes.patches] == [75, 25, 87.5, 12.5]


def test_sharing_among_many_languages_is_lines_that_fall():
    axes = Figure().subplots()
    draw_sharing(["languages", "char"], [[str(n), str(n % 4)] for n in range(20)], axes)
    (line,) = axes.lines
    shares = line.get_ydata().tolist()
    assert shares[0] == 100
    assert shares == sorted(shares, reverse=True)


def test_contextualization_is_a_bar_for_each_score():
    axes = Figure().subplots()
    draw_contextualization(*rows_of("contextualization"), axes)
    assert [bar.get_height() for bar in axes.patches] == [28.5, 30.1]
    assert 27 < axes.get_ylim()[0] < 28.5
    axes = Figure().subplots()
    draw_contextualization(*rows_of("contextualization"), axes, metric="chrf")
    assert [bar.get_height() for bar in axes.patches] == [50]
    assert axes.get_ylabel().startswith("validation chrF (axis from 4")


def test_vocabularies_differ_without_colour():
    assert len({(style["linestyle"], style["marker"]) for style in map(line_style, range(8))}) == 8
    assert len({bar_style(number)["hatch"] for number in range(8)}) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sharing", "--table", "frequencies"], "--table frequencies: is no table of sharing"),
        (["contextualization", "--table", "sharing"], "--table sharing: the table has no column vocabulary"),
        (["contextualization", "--table", "unknown"], "--table unknown: the table has a context rnn"),
        (["contextualization", "--table", "word"], "--table word: the table has a bleu of high"),
        (["contextualization", "--table", "none"], "--table none: the table has no score in the column bleu"),
        (["sharing", "--table", "narrow"], "--table narrow: has one column"),
        (["sharing", "--table", "missing"], "--table missing: No such file"),
        (["sharing", "--table", "sharing", "--titles", "a", "b"], "--titles: 2 for 1 tables"),
        (["sharing", "--table", "sharing", "--output", "no/y.png"], "--output no/y.png: cannot write into no"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, arguments, message):
    scores = "vocabulary\tcontext\tbleu\nbyte\t"
    others = {
        "unknown": scores + "rnn\t3\n",
        "word": scores + "gru\thigh\n",
        "none": scores + "gru\t-\n",
        "narrow": "a\n1\n",
    }
    for name, content in (TABLES | others).items():
        (tmp_path / name).write_text(content)
    said = run("fairseq-bbpe", "plot", arguments[0], "--output", "y.png", *arguments[1:], cwd=tmp_path, status=2).stderr
    assert said.startswith(f"fairseq-bbpe: error: {message}")
    assert said.count("\n") == 1
    assert not (tmp_path / "y.png").exists()
