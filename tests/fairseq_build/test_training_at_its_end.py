"""A training that has had its updates, started again, trains no more."""

import shutil

from conftest import ADAM, QUICK, SMALL, run
from fairseq.checkpoint_utils import load_checkpoint_to_cpu


def test_max_update_holds_when_the_command_is_given_again(data_bin, trained, tmp_path):
    last = tmp_path / "checkpoint_last.pt"
    shutil.copyfile(trained / "checkpoint_last.pt", last)
    before = last.read_bytes()
    command = ["fairseq-train", data_bin, "--task", "translation_bbpe", *QUICK, *SMALL, *ADAM, "--disable-validation"]
    for most in ("120", "90"):
        said = run(*command, "--save-dir", tmp_path, "--max-update", most).stdout
        assert f"nothing to train: the checkpoint has 120 updates, --max-update is {most}" in said
        assert last.read_bytes() == before
    run(*command, "--save-dir", tmp_path, "--max-update", "121")
    assert load_checkpoint_to_cpu(str(last))["optimizer_history"][-1]["num_updates"] == 121
