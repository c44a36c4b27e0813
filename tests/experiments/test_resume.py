"""`fairseq-bbpe reproduce` killed and interrupted: what it leaves, and the table that it ends with."""

import os
import random
import re
import signal
import subprocess
import time

import pytest
from conftest import BIN, environment, interruptible, run
from own_experiment import command, make, root, scores, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus):
    return make(tmp_path_factory.mktemp("my experiment"), corpus)


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_moments_it_ends_with_the_same_table(folder, seed):
    """Every process is killed, in whatever it does; then the whole is run again until it ends."""
    arguments = command(folder, "table5", "--systems", "byte", "--updates", "30", "--seeds", "3")
    run("fairseq-bbpe", *arguments)
    moments, kills = random.Random(seed), 0
    arguments[arguments.index(folder / "runs")] = folder / "killed"
    while True:
        words = [BIN / "fairseq-bbpe", *map(str, arguments)]
        with subprocess.Popen(
            words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        ) as running:
            try:
                running.wait(moments.uniform(0.5, 6) if kills < 5 else None)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                kills += 1
                continue
            assert running.returncode == 0, running.stderr.read()[-2000:]
            break
    assert kills >= 2
    mine = [row for row in table(folder, "table5", "runs") if row["seed"] == "3"]
    assert scores(mine) == scores(table(folder, "table5", "killed"))
    assert mine[0]["updates"] == "30"


def test_a_longer_training_that_was_killed_is_not_taken_for_the_shorter_one(folder):
    """Its checkpoint is of neither: the shorter one is refused, and what lies between them goes on from it."""
    arguments = command(folder, "table5", "--systems", "byte", output="longer")
    run("fairseq-bbpe", *arguments, "--updates", "4")
    longer = [BIN / "fairseq-bbpe", *map(str, arguments), "--updates", "100000"]
    folder_of = root(folder, "longer") / "systems/byte/seed1"
    with subprocess.Popen(longer, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True) as running:
        while not list(folder_of.glob("checkpoint_*_6.pt")) and running.poll() is None:
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
    said = run("fairseq-bbpe", *arguments, "--updates", "4", status=2).stderr
    found = re.search(r"was trained for (\d+) updates, not 4 updates", said)
    assert found
    between = str(int(found[1]) + 4)
    run("fairseq-bbpe", *arguments, "--updates", between)
    assert {row["updates"] for row in table(folder, "table5", "longer")} == {between}


def test_what_it_has_seen_includes_what_it_saw_before_an_epochs_end(folder):
    """From which fairseq's meters begin anew; another part goes on from amid an epoch."""
    seen, updates = {}, []
    for output, parts in {"at once": ["--epochs 2"], "in parts": ["--epochs 1", "--updates 50", "--epochs 2"]}.items():
        for part in parts:
            run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte", *part.split(), output=output))
            rows = table(folder, "table5", output)
            updates.append(int(rows[0]["updates"]))
        seen[output] = [(row["updates"], row["sentences_seen"], row["tokens_seen"]) for row in rows]
    assert updates[1] < updates[2] < updates[3] == updates[0]
    assert seen["in parts"] == seen["at once"]


def test_a_parent_that_is_killed_takes_its_training_with_it(folder):
    words = [BIN / "fairseq-bbpe", *map(str, command(folder, "table5", "--systems", "byte", output="orphan"))]
    log = root(folder, "orphan") / "systems/byte/seed1/train.log"
    with subprocess.Popen([*words, "--updates", "100000"], env=environment(), stderr=subprocess.DEVNULL) as running:
        while not log.exists() and running.poll() is None:
            time.sleep(0.05)
        held = run("fairseq-bbpe", *command(folder, "table5", "--systems", "byte", output="orphan"), status=2)
        assert "another run is at work in" in held.stderr
        running.kill()
    children = subprocess.run(["pgrep", "-f", str(log.parent)], capture_output=True, text=True)
    deadline = time.monotonic() + 20
    while children.stdout and time.monotonic() < deadline:
        time.sleep(0.2)
        children = subprocess.run(["pgrep", "-f", str(log.parent)], capture_output=True, text=True)
    assert children.stdout == ""


def test_an_interrupt_ends_all_and_is_no_traceback(folder):
    words = [BIN / "fairseq-bbpe", *map(str, command(folder, "table5", "--updates", "100000", "--jobs", "2"))]
    words[words.index(str(folder / "runs"))] = str(folder / "interrupted")
    logs = root(folder, "interrupted") / "systems"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment(), **pipes, preexec_fn=interruptible) as running:
        while not list(logs.glob("*/seed1/train.log")) and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said[1]
    assert subprocess.run(["pgrep", "-f", str(logs)], capture_output=True, text=True).stdout == ""
