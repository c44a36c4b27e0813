"""The quick start's whole path at a size of seconds: stopped halfway, started again, and again when all is done."""

import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT

SCRIPT = ROOT / "examples" / "quickstart.sh"
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def quickstart(*arguments):
    return subprocess.run(["bash", SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)


def stop_after_the_first_checkpoint(output):
    command = ["bash", SCRIPT, "--smoke", "--no-setup", "--output", output]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT, start_new_session=True
    ) as running:
        try:
            while running.poll() is None and not (output / "smoke/checkpoints/checkpoint_last.pt").exists():
                time.sleep(0.05)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("quick start")  # with a space: every path in the script is quoted


@pytest.fixture(scope="module")
def finished(output):
    stop_after_the_first_checkpoint(output)
    done = quickstart("--smoke", "--no-setup", "--output", output)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def test_a_stopped_training_goes_on(output, finished):
    log = (output / "smoke/train.log").read_text(encoding="utf-8")
    assert log.count("begin training epoch") == 2
    assert "Loaded checkpoint" in log


def test_everything_is_where_it_says(output, finished):
    smoke = output / "smoke"
    tests = (smoke / "corpus/test.en").read_text(encoding="utf-8").count("\n")
    assert (smoke / "results/test.en").read_text(encoding="utf-8").count("\n") == tests
    bleu = json.loads((smoke / "results/bleu.json").read_text(encoding="utf-8"))
    assert "tok:13a" in bleu["signature"]
    assert bleu["signature"] in finished.stdout
    assert f"Everything lies in {smoke}" in finished.stdout


def test_it_shows_every_language_and_the_unseen_script(output, finished):
    smoke = output / "smoke"
    shown = finished.stdout
    languages = set((smoke / "corpus/test.lang").read_text(encoding="utf-8").split())
    assert len(languages) > 20
    assert all(f"\n{language}  " in shown for language in languages)
    unseen = (smoke / "corpus/unseen.src").read_text(encoding="utf-8").split("\n")[0]
    assert f"\n{unseen}\n" in shown
    assert "(no <unk> in it" in shown
    assert (smoke / "results/unseen.en").read_text(encoding="utf-8").count("\n") == 1


def test_what_is_done_is_skipped(output, finished):
    model = output / "smoke/checkpoints/checkpoint_last.pt"
    before = model.stat().st_mtime_ns
    again = quickstart("--smoke", "--no-setup", "--output", output)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.count("skipped") == 3
    assert "already built" in again.stdout
    assert model.stat().st_mtime_ns == before


def test_help_and_mistakes():
    assert "--smoke" in quickstart("--help").stdout
    wrong = quickstart("--fast")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "--fast" in wrong.stderr
