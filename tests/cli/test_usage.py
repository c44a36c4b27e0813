"""Help, usage and wrong words of `fairseq-bbpe`: every command, every option."""

import re
import shlex
import subprocess
import sys

import pytest
from test_cli import refused, run

from fairseq_bbpe import __version__
from fairseq_bbpe.cli import COMMANDS, GROUPS, MOVED, _parser


def test_version():
    assert run("--version").stdout.decode() == f"fairseq-bbpe {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["lear"], ["learn"], ["encode"], ["decode", "--on-invalid", "ignore"]])
def test_wrong_usage_is_told(arguments):
    assert run(*arguments, status=2).stderr.startswith(b"usage: fairseq-bbpe")


@pytest.mark.parametrize(
    ("flag", "value", "most"),
    [
        ("--workers", "1025", 1024),
        ("--sample", str(sys.maxsize + 1), sys.maxsize),
        ("--sample", "9" * 5000, sys.maxsize),
    ],
)
def test_counts_have_an_end(flag, value, most):
    said = run("learn", "--input", "x", "--output", "y", "--vocab-size", "300", flag, value, status=2).stderr.decode()
    assert f"{flag}: {value!r}: give {most} or less" in said


def test_min_counts_that_fall_are_told():
    said = run("ngrams", "data-bin", "--output", "y", "--min-count", "1,9,5", status=2).stderr.decode()
    assert "--min-count: 1,9,5: must not fall from one length to the next" in said


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "²"])
def test_counts_are_whole_numbers(value):
    said = run("learn", "--input", "x", "--output", "y", "--vocab-size", value, status=2).stderr.decode()
    assert f"--vocab-size: {value!r}: give a whole number, 1 or more" in said


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--max-len-a", "nan", "'nan': give a number, 0 or more"),
        ("--max-len-a", "-1", "'-1': give a number, 0 or more"),
        ("--max-len-a", "many", "'many': give a number, 0 or more"),
        ("--max-len-b", "-5", "'-5': give a whole number, 0 or more"),
        ("--lenpen", "inf", "'inf': give a number"),
    ],
)
def test_numbers_of_a_search_are_finite(flag, value, told):
    assert f"{flag}: {told}\n" in run("translate", "--checkpoint", "x", flag, value, status=2).stderr.decode()


def test_a_search_finds_something():
    for ratio in ("0", "0.001"):
        said = refused("translate", "--checkpoint", "x", "--max-len-a", ratio, "--max-len-b", "0")
        assert f"--max-len-a {ratio} --max-len-b 0: no translation of a line of one piece may have a piece" in said
    asked = ["analyze", "saliency", "x", "--checkpoint", "x", "--sentence", "x", "--output", "x"]
    assert b"--beam: '0': give a whole number, 1 or more" in run(*asked, "--beam", "0", status=2).stderr


def test_help_lists_every_command_and_comes_at_once():
    said = run("--help").stdout.decode()
    assert set(said.split()) >= {*GROUPS, *(name for name in COMMANDS if " " not in name)}
    for group in GROUPS:
        said = run(group, "--help").stdout.decode()
        assert set(said.split()) >= {name.split()[1] for name in COMMANDS if name.startswith(f"{group} ")}
    program = (
        "import sys, fairseq_bbpe.cli as cli\n"
        "for name in cli.COMMANDS: cli._parser(name.split())\n"
        "assert not {'torch', 'fairseq', 'numpy'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_the_example_is_one(name):
    parser = _parser(name.split())
    for word in name.split():
        parser = parser._subparsers._group_actions[0].choices[word]
    assert all(action.help for action in parser._actions)
    shown = parser.format_help().partition("\nexample:\n")[2]
    (example,) = re.findall(r"fairseq-bbpe [^|<>]*", shown.replace("\\\n", ""))
    words = shlex.split(example)[1:]
    args = _parser(words).parse_args(words)
    assert args.run.__module__ == f"fairseq_bbpe.cli.{name.replace(' ', '.').replace('-', '_')}"


@pytest.mark.parametrize("old", MOVED)
def test_a_command_that_moved_says_where_it_went(old):
    assert f"{old!r} is now 'fairseq-bbpe {MOVED[old]}" in refused(old, "--input", "x")
    assert _parser(MOVED[old].split())


def test_kinds_and_flags_that_were_renamed_say_so():
    assert "is now 'fairseq-bbpe analyze lengths'" in refused("stats", "lengths", "--source", "x")
    assert "is now 'fairseq-bbpe plot contextualization'" in refused("draw", "contextualisation")
    assert "--path is now --checkpoint" in refused("lm", "bits", "--path", "x.pt", "--input", "x")
    assert "--destdir is now --output" in refused("lm", "split", "--input", "x", "--destdir=x")
