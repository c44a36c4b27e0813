"""`fairseq-bbpe score`: BLEU and chrF by group, as sacreBLEU itself finds them, and how often recovery was needed."""

import json
import math
import re
import shutil

import pytest
from conftest import QUICK, run

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.scoring import Hypotheses, read_hypotheses, score
from fairseq_bbpe.text.alphabet import bytes_to_symbols

ENGLISH = ["the cat sat on the mat today", "a dog barked at the moon", "nobody knew what it had said", "rain fell"]
SAID = ["the cat sat on the mat", "a dog barked at the sun", "nobody knew it", "rain fell"]


def generated(path, texts, invalid=()):
    """What fairseq-generate writes, longest first."""
    lines = ["2026-01-01 | INFO | something", "-0\t-0.1\tneither H nor D"]
    lines += [f"S-{n}\tsource" for n in range(len(texts))]
    for number, text in sorted(enumerate(texts), key=lambda pair: -len(pair[1])):
        data = text.encode() + (b"\xe3\x81" if number in invalid else b"")
        lines += [f"H-{number}\t-0.5\t{' '.join(bytes_to_symbols(data))}", f"D-{number}\t-0.5\t{text}"]
        lines += [f"H-{number}\t-0.9\tx", f"D-{number}\t-0.9\ta second hypothesis", f"P-{number}\t-0.1"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_best_hypotheses_come_in_the_order_of_the_data(tmp_path):
    found = read_hypotheses(generated(tmp_path / "out", SAID, invalid={1}))
    assert found.texts == SAID
    assert found.invalid == [False, True, False, False]


def test_other_lines_that_look_alike_are_no_hypotheses(tmp_path):
    out = generated(tmp_path / "out", SAID)
    logged = "-0\t-0.5\ta log line\nHD-0\t-0.5\tanother\n"
    out.write_text(logged + out.read_text(encoding="utf-8"), encoding="utf-8")
    assert read_hypotheses(out).texts == SAID


def test_lines_of_text_are_hypotheses(tmp_path):
    (tmp_path / "out").write_bytes("\n".join(SAID).encode() + b"\r\n\n")
    found = read_hypotheses(tmp_path / "out")
    assert found.texts == [*SAID[:-1], SAID[-1] + "\r", ""]
    (tmp_path / "en").write_text("\n".join([*ENGLISH, "a line more"]) + "\n")
    out = run("fairseq-bbpe", "score", tmp_path / "out", "--reference", tmp_path / "en", "--byte-level").stdout
    assert out.splitlines()[1].split("\t")[4] == "-"
    assert [each.invalid for each in score(found, [*ENGLISH, ""])] == [None]


def test_every_group_has_the_score_of_sacrebleu(tmp_path):
    groups = ["de", "fr", "de", "fr"]
    for name, lines, end in (("en", ENGLISH, "\n"), ("groups", groups, " \r\n")):
        (tmp_path / name).write_bytes("".join(line + end for line in lines).encode())
    out = generated(tmp_path / "out", SAID, invalid={2})
    files = ["--reference", tmp_path / "en", "--groups", tmp_path / "groups"]
    header, *rows = run("fairseq-bbpe", "score", out, *files, "--byte-level").stdout.splitlines()
    rows = [dict(zip(header.split("\t"), row.split("\t"), strict=True)) for row in rows]
    assert [(row["group"], row["sentences"], row["invalid"]) for row in rows] == [
        *[("all", "4", "1"), ("de", "2", "1"), ("fr", "2", "0")]
    ]
    for row in rows:
        picked = [n for n in range(4) if row["group"] in ("all", groups[n])]
        (tmp_path / "reference").write_text("".join(ENGLISH[n] + "\n" for n in picked))
        said = "".join(SAID[n] + "\n" for n in picked)
        for metric in ("bleu", "chrf"):
            theirs = json.loads(run("sacrebleu", tmp_path / "reference", "-m", metric, "-w", "2", stdin=said).stdout)
            assert float(row[metric]) == theirs["score"]
            # Not the version: both are the one that is installed.
            assert row[f"{metric}_signature"].partition("|")[2] == theirs["signature"]
    (tmp_path / "groups").write_text("de\n")
    assert run("fairseq-bbpe", "score", out, *files, status=2).stdout == ""
    without = run("fairseq-bbpe", "score", out, "--reference", tmp_path / "en").stdout.splitlines()
    assert [line.split("\t")[4] for line in without] == ["invalid", "-"]


def test_what_fairseq_generates_is_read(trained, data_bin, tmp_path):
    bpe = ["--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model"]
    path = ["--path", trained / "checkpoint_best.pt", "--beam", "2", "--nbest", "2", "--max-len-b", "30"]
    (tmp_path / "out").write_text(run("fairseq-generate", data_bin, *QUICK, *path, *bpe).stdout, encoding="utf-8")
    reference = data_bin / "raw/test.en"
    shown = run("fairseq-bbpe", "score", tmp_path / "out", "--reference", reference, "--byte-level").stdout
    assert re.match(rf"all\t{reference.read_text().count(chr(10))}\t", shown.splitlines()[1])


@pytest.mark.parametrize(
    ("references", "groups", "words"),
    [
        (["one"], [], "2 hypotheses, 1 references"),
        (["one", "two"], ["de"], "2 hypotheses, 1 groups"),
        (["one", "two"], ["de", "all"], "a group is called 'all'"),
    ],
)
def test_files_that_do_not_fit_are_refused(references, groups, words):
    with pytest.raises(UserError, match=words):
        list(score(Hypotheses(["one", "two"], [False, False]), references, groups))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("H-1\t0\ta\nD-1\t0\ta\n", "output is incomplete"),
        ("D-0\t0\ta\n", "output is incomplete"),
    ],
)
def test_an_output_with_holes_is_refused(tmp_path, text, words):
    (tmp_path / "out").write_text(text)
    with pytest.raises(UserError, match=words):
        read_hypotheses(tmp_path / "out")
    with pytest.raises(UserError, match="No such file"):
        read_hypotheses(shutil.os.path.join(tmp_path, "missing"))


def test_the_brevity_penalty_is_that_of_bleus_formula():
    """exp(1 - r / c) of Papineni et al. (2002), for c words of hypotheses that are fewer than r of references."""
    short = Hypotheses(["one two three", "four"], [False, False])
    (found,) = score(short, ["one two three four", "four five"])
    assert found.brevity_penalty == pytest.approx(math.exp(1 - 6 / 4), abs=1e-4)
    (found,) = score(Hypotheses(["one two three four"], [False]), ["one two"])
    assert found.brevity_penalty == 1
