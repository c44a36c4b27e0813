"""`fairseq-bbpe translate` as a shell runs it: fairseq-generate's text, line by line, whatever happens around it."""

import os
import shutil
import signal
import subprocess

import pytest
import torch
from conftest import BIN, QUICK, SERVERS, environment, interruptible, run, warm_environment

COMMAND = [str(BIN / "fairseq-bbpe"), "translate"]
NASTY = b"3 mois\n\n   \n\0\x80\xff\xfe\r\n" + b"x" * 3000 + b"\n\xe2\x80\xa8\n\t\n4 Tage"


def translate(*arguments, data=b"", status=0) -> subprocess.CompletedProcess:
    finished = SERVERS.run([*COMMAND, *map(str, arguments)], os.getcwd(), warm_environment(), data)
    assert finished.returncode == status, finished.stderr.decode()
    return finished


@pytest.fixture(scope="module")
def fast(trained):
    return ["--checkpoint", trained / "checkpoint_best.pt", "--beam", "2", "--max-len-a", "0", "--max-len-b", "30"]


def test_the_text_is_that_of_fairseq_generate(fast, trained, data_bin, corpus):
    bpe = ["--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model", "--task", "translation_bbpe"]
    path = ["--path", trained / "checkpoint_best.pt", "--beam", "2", "--max-len-b", "30", "--nbest", "2"]
    out = run("fairseq-generate", data_bin, *QUICK, *path, *bpe).stdout
    rows = [line[2:].split("\t") for line in out.splitlines() if line.startswith("D-")]
    rows.sort(key=lambda row: int(row[0]))  # stable: hypotheses stay best first
    source = (corpus / "test.src").read_bytes()
    found = translate(*fast, "--nbest", "2", "--scores", data=source)
    lines = [line.split("\t") for line in found.stdout.decode().splitlines()]
    assert [text for _, text in lines] == [text for _, _, text in rows]
    assert [float(score) for score, _ in lines] == pytest.approx([float(score) for _, score, _ in rows], abs=2e-4)
    assert found.stderr == b""


def test_nasty_lines_come_out_as_many_in_the_same_order_from_any_number_of_processes(fast):
    found = translate(*fast, "--longest", "100", data=NASTY)
    lines = found.stdout.split(b"\n")
    assert len(lines) == NASTY.count(b"\n") + 1
    assert lines[1:3] == [b"", b""]
    assert lines[-2] == b""
    alone = translate(*fast, data=b"4 Tage\n3 mois\n").stdout.split(b"\n")
    assert [lines[-1], lines[0], b""] == alone
    assert translate(*fast, "--longest", "100", "--workers", "2", data=NASTY).stdout == found.stdout


def test_a_folder_with_the_dictionaries_can_be_moved(fast, trained, data_bin, tmp_path):
    for file in (trained / "checkpoint_best.pt", *data_bin.glob("dict.*.txt"), data_bin / "bbpe.model"):
        shutil.copy(file, tmp_path)
    here = ["--checkpoint", tmp_path / "checkpoint_best.pt", *fast[2:]]
    assert translate(*here, data=b"3 mois\n").stdout == translate(*fast, data=b"3 mois\n").stdout
    (tmp_path / "bbpe.model").unlink()
    error = translate(*here, status=2).stderr.decode()
    assert error.count("\n") == 1
    assert "--model" in error
    os.rename(tmp_path / "dict.en.txt", tmp_path / "dict.xx.txt")
    error = translate(*here, "--data", tmp_path, status=2).stderr.decode()
    assert error.count("\n") == 1
    assert "--data" in error


def test_lines_appear_before_the_last_is_read_and_interruption_leaves_no_trace(fast):
    with subprocess.Popen(
        [*COMMAND, *map(str, fast)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=interruptible,
    ) as running:
        running.stdin.write(b"3 mois\n")
        running.stdin.flush()
        assert running.stdout.readline()  # stdin is still open
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert running.stderr.read() == b""


@pytest.mark.parametrize(("reader", "status"), [("| head -n 1 > /dev/null; exit ${PIPESTATUS[1]}", 141), (">&-", 2)])
def test_a_reader_that_goes_away(reader, status, fast):
    command = " ".join(map(str, [*COMMAND, *fast, "--batch-pieces", "300"]))
    script = f"(echo '3 mois'; sleep 0.2; yes '4 Tage' | head -n 30000) | {command} {reader}"
    finished = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment())
    assert "Traceback" not in finished.stderr
    assert finished.returncode == status


def test_mistakes_are_one_line(fast, trained, data_bin, tmp_path):
    whole = (trained / "checkpoint_best.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"model": {}}, tmp_path / "foreign.pt")
    for path in data_bin.glob("dict.*.txt"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8") + "another 1\n")
    for arguments, message in (
        (["--checkpoint", tmp_path / "none.pt"], "none.pt: no such file"),
        (["--checkpoint", tmp_path / "half.pt"], "half.pt: not a checkpoint of fairseq-train, or damaged"),
        (["--checkpoint", tmp_path / "text.pt"], "text.pt: not a checkpoint of fairseq-train, or damaged"),
        (["--checkpoint", tmp_path / "foreign.pt"], "foreign.pt: not a checkpoint of fairseq-train, or damaged"),
        ([*fast, "--data", tmp_path], "the model was trained with other pieces than those in"),
        (["--checkpoint", tmp_path], "a folder without translator.json"),
        ([*fast, "--nbest", "3"], "--nbest 3: a beam of 2"),
    ):
        error = translate(*arguments, status=2).stderr.decode()
        assert message in error
        assert error.count("\n") == 1
