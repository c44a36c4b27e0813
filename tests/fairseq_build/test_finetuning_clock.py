"""--finetune-from-model counts its own time, whatever time the model that it starts from had."""

import torch
from conftest import ADAM, QUICK, SMALL, run
from fairseq.checkpoint_utils import load_checkpoint_to_cpu
from omegaconf import OmegaConf


def saved_after(seconds, trained, path):
    """The trained model, as if it had trained for so long."""
    state = load_checkpoint_to_cpu(str(trained / "checkpoint_last.pt"))
    state["cfg"] = OmegaConf.to_container(state["cfg"])
    state["extra_state"]["previous_training_time"] = seconds
    torch.save(state, path)


def test_the_time_of_the_model_before_is_not_counted(data_bin, trained, tmp_path):
    saved_after(36000.0, trained, tmp_path / "start.pt")
    command = ["fairseq-train", data_bin, "--task", "translation_bbpe", *QUICK, *SMALL, *ADAM, "--save-dir"]
    start = ["--finetune-from-model", tmp_path / "start.pt", "--stop-time-hours", "1", "--disable-validation"]
    run(*command, tmp_path / "tuned", *start, "--max-update", "2")
    tuned = load_checkpoint_to_cpu(str(tmp_path / "tuned/checkpoint_last.pt"))
    assert tuned["optimizer_history"][-1]["num_updates"] == 2
    assert 0 < tuned["extra_state"]["previous_training_time"] < 3600


def test_a_training_that_goes_on_counts_all_of_its_sessions(data_bin, trained, tmp_path):
    saved_after(1800.0, trained, tmp_path / "checkpoint_last.pt")
    command = ["fairseq-train", data_bin, "--task", "translation_bbpe", *QUICK, *SMALL, *ADAM, "--save-dir"]
    run(*command, tmp_path, "--max-update", "122", "--disable-validation")
    went_on = load_checkpoint_to_cpu(str(tmp_path / "checkpoint_last.pt"))
    assert went_on["optimizer_history"][-1]["num_updates"] == 122
    assert went_on["extra_state"]["previous_training_time"] > 1800
