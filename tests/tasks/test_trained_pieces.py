"""A model meets the pieces that it was trained with, and no others, though these be as many."""

import shutil

import pytest
import torch
from conftest import ADAM, QUICK, SMALL, run


@pytest.fixture(scope="module")
def other(corpus, tmp_path_factory):
    """A data-bin of the same text and as many pieces, whose vocabulary was learned on its first lines."""
    folder = tmp_path_factory.mktemp("other")
    for side in ("src", "en"):
        lines = (corpus / f"train.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"few.{side}").write_text("".join(lines[:300]), encoding="utf-8")
    text = [folder / "few.src", folder / "few.en"]
    run("fairseq-bbpe", "learn", "--input", *text, "--vocab-size", "400", "--output", folder / "few")
    prefixes = [f"--{name}pref={corpus / name}" for name in ("train", "valid", "test")]
    model = ["--model", folder / "few.model", "--destdir", folder / "bin"]
    run("fairseq-bbpe", "prepare", "--source-lang", "src", "--target-lang", "en", *prefixes, *model)
    return folder / "bin"


def refusal(*command, stdin="") -> str:
    return run(*command, stdin=stdin, status=None).stderr.splitlines()[-1]


def told(model, data) -> str:
    return f"{model} was trained with other pieces than those in {data} (dict.*.txt, source): give the data that it "


@pytest.mark.parametrize("flag", ["--finetune-from-model", "--restore-file", "--save-dir"])
def test_training_does_not_go_on_with_other_pieces(flag, trained, data_bin, other, tmp_path):
    last = tmp_path / "checkpoint_last.pt"
    shutil.copyfile(trained / "checkpoint_last.pt", last)
    start = ["--save-dir", tmp_path] if flag == "--save-dir" else [flag, last, "--save-dir", tmp_path / "new"]
    command = ["--task", "translation_bbpe", *QUICK, *SMALL, *ADAM, *start, "--max-update", "121"]
    command += ["--disable-validation"]
    assert told(f"{flag}: {last}", other) in refusal("fairseq-train", other, *command)
    run("fairseq-train", data_bin, *command)


def test_a_model_does_not_translate_with_other_pieces(trained, data_bin, other, tmp_path):
    checkpoint = ["--path", trained / "checkpoint_best.pt"]
    generate = [*checkpoint, "--user-dir", QUICK[1], "--cpu", "--task", "translation_bbpe", "--beam", "1"]
    assert told("the model", other) in refusal("fairseq-generate", other, *generate)
    translate = ["fairseq-bbpe", "translate", "--checkpoint", trained / "checkpoint_best.pt", "--data"]
    assert told("the model", other) in refusal(*translate, other, stdin="a\n")
    run(*translate, data_bin, stdin="a\n")
    output = ["--output", tmp_path / "exported"]
    export = ["fairseq-bbpe", "export", "ctranslate2", *translate[2:]]
    assert told("the model", other) in refusal(*export, other, *output)


def test_a_checkpoint_of_earlier_says_nothing_of_its_pieces(trained, other, tmp_path):
    state = torch.load(trained / "checkpoint_best.pt", weights_only=False)
    state["task_state"] = {name: state["task_state"][name] for name in ("source_lang", "target_lang")}
    torch.save(state, tmp_path / "checkpoint.pt")
    translate = ["fairseq-bbpe", "translate", "--checkpoint", tmp_path / "checkpoint.pt", "--data", other]
    assert run(*translate, stdin="a\n").stdout.count("\n") == 1
