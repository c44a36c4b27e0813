"""fairseq drives it all: the real commands, on several processes, killed and resumed."""

import os
import re
import subprocess
import time

import pytest
import torch
import yaml
from conftest import ADAM, BIN, PLUGIN, QUICK, ROOT, SMALL, environment, run

from fairseq_bbpe import Vocabulary

BATCH = ["--max-tokens", "600"]
SHORT = ["--max-len-b", "30", "--beam", "2"]


def _weights(checkpoint) -> dict:
    # PyTorch's allow-list is not at issue here, and fairseq's positions keep one number that is never set.
    model = torch.load(checkpoint, weights_only=False)["model"]
    return {name: value for name, value in model.items() if not name.endswith("_float_tensor")}


def _options(*, updates: int) -> list[str]:
    return [*QUICK, *SMALL, *ADAM, "--disable-validation", "--max-update", str(updates)]


def test_validation_counts_bleu_on_recovered_text(trained):
    log = (trained / "log").read_text(encoding="utf-8")
    assert re.search(r"valid on 'valid' subset .* bleu \d", log)
    assert (trained / "checkpoint_best.pt").exists()


def test_generation_gives_recovered_text_a_line_for_every_sentence(trained, data_bin, corpus):
    bpe = ["--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model"]
    out = run("fairseq-generate", data_bin, *QUICK, "--path", trained / "checkpoint_best.pt", *SHORT, *bpe).stdout
    references = {line.split("\t")[0]: line.split("\t")[1] for line in out.splitlines() if line.startswith("T-")}
    raw = (corpus / "test.en").read_text(encoding="utf-8").splitlines()
    assert references == {f"T-{number}": line for number, line in enumerate(raw)}
    hypotheses = [line.split("\t")[2] for line in out.splitlines() if line.startswith("D-")]
    assert len(hypotheses) == len(raw)
    assert not any("▁" in line or "<unk>" in line for line in hypotheses)


def test_translations_do_not_depend_on_the_batch(trained, data_bin):
    def scores(batch_size: int) -> list[str]:
        batch = ["--batch-size", str(batch_size), "--path", trained / "checkpoint_best.pt"]
        out = run("fairseq-generate", data_bin, *QUICK, *SHORT, *batch).stdout
        rows = sorted(line for line in out.splitlines() if line.startswith("H-"))
        return [re.sub(r"\t-?([\d.]+)\t", lambda m: f"\t{float(m[1]):.3f}\t", row) for row in rows]

    assert scores(1) == scores(24)


def test_interactive_translates_a_script_that_no_training_line_has(trained, data_bin):
    bpe = ["--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model", "--path", trained / "checkpoint_best.pt"]
    out = run("fairseq-interactive", data_bin, *QUICK, *SHORT, *bpe, stdin="සිංහල ᚠᛇᚻ\n").stdout
    (source,) = [line for line in out.splitlines() if line.startswith("S-")]
    assert "<unk>" not in source
    assert [line for line in out.splitlines() if line.startswith("H-")]


def test_from_pretrained_translates(trained, data_bin):
    program = f"""
from fairseq_bbpe import TransformerBBPE
model = TransformerBBPE.from_pretrained({str(trained)!r}, "checkpoint_best.pt", {str(data_bin)!r},
                                        bpe="bbpe", bbpe_model={str(data_bin / "bbpe.model")!r})
print(repr(model.translate(["3 mois", "4 Tage"], beam=2, max_len_b=30)))
"""
    translations = eval(run("python", "-c", program).stdout.splitlines()[-1])
    assert len(translations) == 2
    assert all(isinstance(text, str) for text in translations)


@pytest.mark.parametrize("command", ["fairseq-validate", "fairseq-score"])
def test_validate_and_score_start_and_count(command, trained, data_bin, corpus):
    if command == "fairseq-validate":
        out = run(
            command, data_bin, *QUICK, "--path", trained / "checkpoint_best.pt", "--task", "translation", *BATCH
        ).stdout
        assert re.search(r"\| loss \d", out)
    else:
        out = run(command, "--sys", corpus / "test.en", "--ref", corpus / "test.en").stdout
        assert "BLEU4 = 100.00" in out


@pytest.mark.parametrize("bf16", [False, True])
def test_hydra_trains_from_a_file(bf16, data_bin, tmp_path):
    config = {
        "common": {"user_dir": str(PLUGIN), "cpu": True, "no_progress_bar": True, "bf16": bf16},
        "task": {"_name": "translation_bbpe", "data": os.path.relpath(data_bin, tmp_path)},
        "model": {"_name": "transformer_bbpe_ctx_tiny", "embed_context": "conv", "share_all_embeddings": True},
        "criterion": {"_name": "label_smoothed_cross_entropy", "label_smoothing": 0.1},
        "optimizer": {"_name": "adam"},
        "lr_scheduler": {"_name": "fixed"},
        "dataset": {"max_tokens": 600, "num_workers": 0},
        "optimization": {"max_update": 2, "lr": [0.001]},
        "hydra": {"job": {"chdir": False}},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "small", cwd=tmp_path)
    weights = _weights(tmp_path / "checkpoints/checkpoint_last.pt")
    assert "encoder.contextualizer.layers.0.weight" in weights
    assert bf16 == all(torch.equal(weight, weight.bfloat16().float()) for weight in weights.values())
    config["model"]["embed_contxt"] = "gru"
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    failed = run("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "small", cwd=tmp_path, status=None)
    assert "no option embed_contxt" in failed.stderr


def test_two_processes_reach_the_weights_of_one(data_bin, corpus, tmp_path):
    """Also where an epoch has an odd number of batches: one process then computes a batch again, for no gradient."""
    pairs = len((corpus / "valid.src").read_text(encoding="utf-8").splitlines())
    assert -(-pairs // 8) == 3
    batches = ["--train-subset", "valid", "--batch-size", "8", "--max-tokens", "1000000"]
    loss = ["--criterion", "label_smoothed_cross_entropy_blocks", "--label-smoothing", "0.1"]
    options = [*_options(updates=6), "--dropout", "0", *batches, *loss]
    run("fairseq-train", data_bin, *options, "--update-freq", "2", "--save-dir", tmp_path / "one")
    gloo = ["--distributed-backend", "gloo", "--save-dir", tmp_path / "two"]
    torchrun = ["torchrun", "--standalone", "--nproc_per_node", "2", BIN / "fairseq-train", data_bin]
    # In two runs, for the second has to hand rank 0's checkpoint to rank 1.
    for updates in ("2", "6"):
        run(*torchrun, *options, *gloo, "--max-update", updates)
    one, two = (_weights(tmp_path / name / "checkpoint_last.pt") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0, msg=name)


def test_killed_and_resumed_equals_uninterrupted(data_bin, tmp_path):
    options = [*_options(updates=12), "--save-interval-updates", "4"]
    run("fairseq-train", data_bin, *options, "--save-dir", tmp_path / "whole")
    command = [str(BIN / "fairseq-train"), str(data_bin), *options, "--save-dir", str(tmp_path / "killed")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), **quiet)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed/checkpoint_last.pt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    resumed = run(*command[:1], *command[1:])
    assert "Loaded checkpoint" in resumed.stdout
    whole, killed = (_weights(tmp_path / name / "checkpoint_last.pt") for name in ("whole", "killed"))
    assert all(torch.equal(value, killed[name]) for name, value in whole.items())


@pytest.mark.parametrize("other", ["some other text altogether", None], ids=["other pieces", "fewer pieces"])
def test_a_model_that_does_not_fit_the_dictionary_is_refused(other, trained, data_bin, tmp_path):
    # The 256 bytes alone are in every dictionary, yet they would segment the text in another way than training did.
    Vocabulary.learn([other.encode()] * 5 if other else [], size=262 if other else 256).save(tmp_path / "other")
    bpe = ["--bpe", "bbpe", "--bbpe-model", tmp_path / "other.model", "--path", trained / "checkpoint_best.pt"]
    failed = run("fairseq-interactive", data_bin, *QUICK, *bpe, stdin="a\n", status=1)
    error = failed.stderr.splitlines()[-1]
    assert error.startswith("error: --bbpe-model")
    assert str(tmp_path / "other.model") in error
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--embed-context", "conv", "--embed-context-kernel", "4"], "error: --embed-context-kernel 4: give an odd"),
        (["--embed-context-layers", "0"], "error: --embed-context-layers 0: give 1 or more"),
    ],
)
def test_a_bad_architecture_is_one_line(options, message, data_bin, tmp_path):
    failed = run("fairseq-train", data_bin, *_options(updates=1), *options, "--save-dir", tmp_path / "c", status=1)
    assert failed.stderr.splitlines()[-1].startswith(message)
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "c").exists() or not list((tmp_path / "c").iterdir())


def test_the_text_side_needs_neither_torch_nor_fairseq():
    program = (
        "import fairseq_bbpe.text, fairseq_bbpe.vocabularies, fairseq_bbpe.cli, sys\n"
        "print([m for m in ('torch', 'fairseq') if m in sys.modules])"
    )
    assert run("python", "-c", program).stdout.strip() == "[]"


def test_the_user_dir_is_found_from_any_folder(data_bin, tmp_path):
    options = [option if option != str(PLUGIN) else "fairseq_bbpe" for option in _options(updates=1)]
    out = run("fairseq-train", data_bin, *options, cwd=tmp_path).stdout
    assert "model: TransformerBBPE" in out
