"""`fairseq-bbpe learn | encode | decode | show` as a shell runs them."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import interruptible

from fairseq_bbpe.text.alphabet import SYMBOLS, bytes_to_symbols

GOLDEN = Path(__file__).parent / "golden"
COMMAND = [sys.executable, "-m", "fairseq_bbpe.cli"]
NASTY = b"  two  spaces \n\n\r\x00\xff\xe3\x81 \xe2\x80\xa8|\x1c\x85\n   \n\t<s> <unk> \xe2\x96\x81_\nno newline"


def run(*arguments, data=b"", status=0, **options) -> subprocess.CompletedProcess:
    """Run the command; stdin, stdout and stderr are bytes."""
    finished = subprocess.run([*COMMAND, *map(str, arguments)], input=data, capture_output=True, **options)
    assert finished.returncode == status, finished.stderr.decode()
    return finished


def refused(*arguments, **kwargs) -> str:
    """Run a command that must refuse, and return the one line that it says."""
    finished = run(*arguments, status=2, **kwargs)
    message = finished.stderr.decode()
    assert message.startswith("fairseq-bbpe: error: "), message
    assert message.count("\n") == 1, message
    assert finished.stdout == b""
    return message


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A vocabulary of 300 pieces, learned by the command."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "text").write_bytes("the cat sat on the mat\nねこはマットの上にすわった\n".encode() * 3)
    said = run("learn", "--input", folder / "text", "--vocab-size", "300", "--output", folder / "v").stderr
    assert b"300 pieces" in said
    assert b"trainer_interface" not in said  # sentencepiece's log
    assert {path.name for path in folder.iterdir()} == {"text", "v.model", "v.dict.txt"}
    return folder / "v.model"


def test_learned_dictionary_has_exactly_n_lines(model):
    lines = model.with_name("v.dict.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 300
    assert {line.rsplit(" ", 1)[0] for line in lines} >= set(SYMBOLS)


@pytest.mark.parametrize("data", [NASTY, b"", b"\n", b"\n\n", b"a", bytes(range(256)) * 3])
@pytest.mark.parametrize("workers", [1, 2])
def test_bytes_survive_the_pipe(model, data, workers):
    pieces = run("encode", "--model", model, "--workers", workers, data=data).stdout
    assert pieces.count(b"\n") == data.count(b"\n")
    assert run("decode", "--on-invalid", "keep", data=pieces).stdout == data


def test_more_than_one_block_survives(model):
    data = b"".join(b"line %d of many, and some more words\n" % number for number in range(20_000)) + b"x" * 300_000
    pieces = run("encode", "--model", model, "--workers", "2", data=data).stdout
    assert run("decode", data=pieces).stdout == data


def test_a_line_comes_back_before_the_next_is_given(model):
    with subprocess.Popen(
        [*COMMAND, "encode", "--model", str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for _ in range(2):
            process.stdin.write(b"the cat\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"the \xe2\x96\x81cat\n"
        process.stdin.close()
        assert process.wait() == 0


def test_broken_hypotheses_decode_as_they_did():
    broken = (GOLDEN / "broken.pieces").read_bytes()
    for mode in ("recover", "replace", "keep"):
        finished = run("decode", "--on-invalid", mode, data=broken)
        assert finished.stdout == (GOLDEN / f"broken.{mode}").read_bytes()
        assert finished.stderr == b"decoded 6 lines; not valid UTF-8: 8 bytes in 3 lines\n"


def test_strict_names_line_and_byte():
    pieces = bytes_to_symbols(b"fine").encode() + b"\n" + bytes_to_symbols(b"ab\xe3\x81!").encode()
    finished = run("decode", "--on-invalid", "strict", data=pieces, status=2)
    assert finished.stderr.startswith(b"fairseq-bbpe: error: line 2: byte 2 (0xE3) ")
    newline = run("decode", "--on-invalid", "strict", data=bytes_to_symbols(b"a\nb").encode(), status=2)
    assert b"line 1: byte 1 is a newline" in newline.stderr


def test_show(model):
    assert run("show", "--model", model, data="the  mat\n上\0".encode()).stdout.decode() == "the _ _mat\nE4 B88A 00"


def test_sample_and_verbose(model, tmp_path):
    text = model.with_name("text")
    arguments = ["learn", "--input", text, text, "--vocab-size", "280", "--output", tmp_path / "v"]
    said = run(*arguments, "--sample", "3", "--verbose").stderr
    assert b"trainer_interface" in said
    assert len((tmp_path / "v.dict.txt").read_text(encoding="utf-8").splitlines()) == 280


def test_a_closed_pipe_is_quiet(model, tmp_path):
    (tmp_path / "text").write_bytes(b"the cat sat on the mat\n" * 100_000)
    command = " ".join(COMMAND)
    for pipe in (f"{command} encode --model {model} < text | head -n 1", f"{command} decode < text | head -n 1"):
        finished = subprocess.run(pipe, shell=True, capture_output=True, cwd=tmp_path, env=_environment())
        assert finished.stdout.count(b"\n") == 1
        assert finished.stderr == b""


def test_bad_input_is_one_line_and_leaves_nothing(model, tmp_path):
    text = model.with_name("text")
    (tmp_path / "empty").touch()
    (tmp_path / "text.model").write_bytes(text.read_bytes())
    before = sorted(tmp_path.iterdir())

    def learn(path, size, output):
        return refused("learn", "--input", path, "--vocab-size", size, "--output", tmp_path / output)

    assert "--input absent: No such file" in learn("absent", 300, "v")
    assert "empty: the file is empty" in learn(tmp_path / "empty", 300, "v")
    assert "Is a directory" in learn(tmp_path, 300, "v")
    assert "size 255: " in learn(text, 255, "v")
    assert "size 99999: this text supports at most " in learn(text, 99999, "v")
    assert "no such folder/v: cannot write" in learn(text, 300, "no such folder/v")
    assert "empty/v: cannot write" in learn(text, 300, "empty/v")
    for command in ("encode", "show"):
        assert "absent: No such file" in refused(command, "--model", "absent", data=b"text")
        assert "text.model: not a sentencepiece model" in refused(command, "--model", tmp_path / "text.model")
    assert sorted(tmp_path.iterdir()) == before


def test_pipes_are_refused_unread(model, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    said = refused("learn", "--input", tmp_path / "pipe", "--vocab-size", "300", "--output", tmp_path / "v")
    assert "pipe: is a pipe or device" in said
    said = refused("learn", "--input", "/dev/stdin", "--vocab-size", "300", "--output", tmp_path / "v", data=b"text")
    assert "/dev/stdin: is a pipe or device" in said


@pytest.mark.parametrize("size", [2**31, 10**17])
def test_absurd_sizes_are_one_line(model, tmp_path, size):
    arguments = ["learn", "--input", model.with_name("text"), "--vocab-size", size, "--output", tmp_path / "v"]
    assert f"size {size}: no text supports so many" in refused(*arguments)


@pytest.mark.parametrize("output", ["", ".", "..", "folder/"])
def test_output_names_a_file(model, tmp_path, output):
    (tmp_path / "folder").mkdir()
    arguments = ["--input", model.with_name("text"), "--vocab-size", "300", "--output", output]
    assert f"--output {output}: names no file" in refused("learn", *arguments, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


@pytest.mark.parametrize("kind", ["fairseq", "ctranslate2", "torch"])
def test_an_output_folder_has_a_name(tmp_path, kind):
    assert "--output: is empty: give a folder" in refused("export", kind, "--checkpoint", "x", "--output", "")


def test_an_output_replaces_no_input(model, tmp_path):
    (tmp_path / "v.model").write_bytes(model.read_bytes())
    said = refused("export", "tokenizers", "--model", "v.model", "--output", "v.model", cwd=tmp_path)
    assert "--output v.model: would overwrite --model v.model" in said
    (tmp_path / "train").write_bytes(bytes(99))
    said = refused("lm", "split", "--input", "train", "--output", ".", cwd=tmp_path)
    assert "--output .: would overwrite --input train" in said
    (tmp_path / "e.dict.txt").mkdir()
    said = refused("learn", "--input", "train", "--vocab-size", "256", "--output", "e", cwd=tmp_path)
    assert "e.dict.txt is a folder" in said
    assert (tmp_path / "v.model").read_bytes() == model.read_bytes()
    assert (tmp_path / "train").read_bytes() == bytes(99)


def small_disk() -> None:
    """For `preexec_fn`: a file can have 2,000 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))


@pytest.mark.parametrize("kind", ["tokenizers", "tiktoken"])
def test_a_disk_that_is_full_leaves_what_was_there(model, tmp_path, kind):
    file = tmp_path / "there"
    file.write_text("whole")
    arguments = ["--model", model, "--output", file, "--format", kind]
    said = refused("export", "tokenizers", *arguments, preexec_fn=small_disk)
    assert f"error: {file}: File too large: check that it is open, yours, and has space left" in said
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "whole"


def test_what_a_link_leads_to_is_written(model, tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    subprocess.run([*COMMAND, "export", "tokenizers", "--model", model, "--output", tmp_path / "link"], check=True)
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "file").read_bytes())["model"]


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [("<&-", "Bad file descriptor"), (">&-", "Bad file descriptor"), ("> /dev/full", "No space left on device")],
)
def test_streams_that_fail_are_one_line(model, redirection, problem):
    command = f"{' '.join(COMMAND)} encode --model {model} < {model.with_name('text')} {redirection}"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert finished.returncode == 2
    assert re.fullmatch(f"fairseq-bbpe: error: input or output: {problem}: .*\n", finished.stderr)


def test_closed_streams_that_are_not_used_do_not_matter(model, tmp_path):
    learn = f"{' '.join(COMMAND)} learn --input {model.with_name('text')} --vocab-size 300 --output {tmp_path}/v"
    assert subprocess.run(f"{learn} <&- >&- 2>&-", shell=True).returncode == 0
    assert (tmp_path / "v.model").read_bytes() == model.read_bytes()
    # With stderr closed, what is meant for it must not slip into the text.
    assert subprocess.run(f"echo a | {' '.join(COMMAND)} decode 2>&-", shell=True, stdout=-1).stdout == b"a\n"


def test_unknown_arguments_show_the_usage_of_their_subcommand(model):
    said = run("encode", "--model", model, "--fast", status=2).stderr.decode()
    assert said.startswith("usage: fairseq-bbpe encode ")
    assert said.endswith("fairseq-bbpe encode: error: unrecognized arguments: --fast\n")
    assert run("--fast", "encode", status=2).stderr.endswith(b"unrecognized arguments: --fast\n")


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_learning_is_quiet_and_leaves_nothing(kill, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "text").write_bytes(os.urandom(3_000_000))  # many seconds of learning
    arguments = ["learn", "--input", "text", "--vocab-size", "9000", "--output", "out/v", "--verbose"]
    options = {"cwd": tmp_path, "stderr": subprocess.PIPE, "env": _environment(), "preexec_fn": interruptible}
    with subprocess.Popen([*COMMAND, *arguments], **options) as process:
        while b"size=" not in process.stderr.readline():  # sentencepiece's log of its first merges
            assert process.poll() is None
        process.send_signal(kill)
        said = process.stderr.read()
    assert process.returncode == 128 + kill
    assert b"Traceback" not in said
    assert list((tmp_path / "out").iterdir()) == []


def _environment() -> dict:
    # The package may lie in the working folder, which these tests leave.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))}
