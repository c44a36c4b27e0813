"""ByteNet under fairseq's own commands: train, generate, interactive, resume, several processes, Hydra, average."""

import functools
import re

import pytest
import torch
import yaml
from conftest import BIN, PLUGIN, QUICK, run

CPU_SIZE = ["--channels", "24", "--dilations", "1,2,4"]
ADAM = ["--optimizer", "adam", "--lr", "0.01", "--clip-norm", "1", "--max-tokens", "1500"]
SEARCH = ["--beam", "2", "--max-len-a", "1.2", "--max-len-b", "10"]
SUB_BATCH = ["--arch", "bytenet_tiny", "--norm", "sub_batch", "--unfold", "zero", "--bucket-width", "10"]
ARCHITECTURES = {
    "sub_batch": SUB_BATCH,
    "layer": ["--arch", "bytenet_tiny"],
    "multiplicative": ["--arch", "bytenet_tiny", "--block", "multiplicative", "--join", "concatenate"],
    "conv_rnn": ["--arch", "bytenet_conv_rnn_tiny", "--norm", "layer"],
    "birnn_rnn_sub_batch": ["--arch", "bytenet_birnn_rnn_tiny", "--bucket-width", "10"],
}


def task(name):
    return ["--task", "translation_sub_batch" if "sub_batch" in name else "translation_bbpe"]


def train(data_bin, folder, name, *options, updates=60, launcher=()):
    size = [*ARCHITECTURES[name], *CPU_SIZE, *task(name), *ADAM]
    end = ["--max-update", updates, "--save-dir", folder, "--log-file", folder / "log", "--log-interval", "5"]
    folder.mkdir(exist_ok=True)
    program = [*launcher, BIN / "fairseq-train"] if launcher else ["fairseq-train"]
    run(*program, data_bin, *QUICK, *size, *end, *options)
    return (folder / "log").read_text(encoding="utf-8")


def hypotheses(output):
    return {line.split("\t")[0]: line.split("\t")[2] for line in output.splitlines() if line.startswith("D-")}


def weights(checkpoint):
    return torch.load(checkpoint, weights_only=False)["model"]


@pytest.fixture(scope="module")
def bytenet(data_bin, tmp_path_factory):
    """From an architecture's name to the checkpoint and the log of one short training, made when first asked for."""

    @functools.cache
    def trained(name):
        folder = tmp_path_factory.mktemp(name)
        log = train(data_bin, folder, name)
        return folder / "checkpoint_last.pt", log

    return trained


def generate(data_bin, name, path, *options):
    search = ["--path", path, "--batch-size", "24", *SEARCH, *options]
    return hypotheses(run("fairseq-generate", data_bin, *QUICK, *task(name), *search).stdout)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_loss_falls_and_every_sentence_is_translated(name, bytenet, data_bin, corpus):
    checkpoint, log = bytenet(name)
    losses = [float(loss) for loss in re.findall(r"epoch \d+: .* loss=([\d.]+)", log)]
    assert losses[-1] < 0.8 * losses[0]
    assert re.search(r"valid on 'valid' subset .* loss [\d.]+", log)
    found = generate(data_bin, name, checkpoint, "--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model")
    assert len(found) == len((corpus / "test.en").read_text(encoding="utf-8").splitlines())
    assert not any("▁" in line for line in found.values())


@pytest.mark.parametrize("name", ["sub_batch", "layer"])
def test_a_raw_sentence_is_translated(name, bytenet, data_bin):
    bpe = ["--bpe", "bbpe", "--bbpe-model", data_bin / "bbpe.model", "--path", bytenet(name)[0]]
    said = run("fairseq-interactive", data_bin, *QUICK, *task(name), *SEARCH, *bpe, stdin="3 días\n")
    assert len(hypotheses(said.stdout)) == 1


@pytest.mark.parametrize("name", ["sub_batch", "layer"])
def test_translations_depend_neither_on_the_batch_nor_on_the_side_of_the_padding(name, bytenet, data_bin):
    checkpoint, _ = bytenet(name)
    alone = generate(data_bin, name, checkpoint, "--batch-size", "1")
    assert alone == generate(data_bin, name, checkpoint)
    assert alone == generate(data_bin, name, checkpoint, "--left-pad-source")  # fairseq pads left unless told this


@pytest.mark.parametrize("name", ["sub_batch", "layer"])
def test_an_ensemble_of_one_model_twice_translates_as_the_model(name, bytenet, data_bin):
    checkpoint, _ = bytenet(name)
    assert generate(data_bin, name, f"{checkpoint}:{checkpoint}") == generate(data_bin, name, checkpoint)


def test_killed_and_resumed_training_equals_training_not_interrupted(data_bin, tmp_path):
    """With Sub-BN's batches and the worker process that fairseq starts unless told otherwise, over an epoch's end."""
    name = "sub_batch"
    worker = ["--disable-validation", "--num-workers", "1"]
    train(data_bin, tmp_path / "whole", name, *worker, updates=30)
    halves = [*worker, "--save-interval-updates", "15"]
    train(data_bin, tmp_path / "halves", name, *halves, updates=15)
    train(data_bin, tmp_path / "halves", name, *halves, updates=30)
    whole, halves = (weights(tmp_path / folder / "checkpoint_last.pt") for folder in ("whole", "halves"))
    for key, value in whole.items():
        torch.testing.assert_close(halves[key], value, msg=key)


def test_two_processes_reach_the_weights_and_the_statistics_of_one(data_bin, tmp_path):
    launcher = ["torchrun", "--nproc-per-node", "2", "--master-port", "29611"]
    gloo = ["--distributed-backend", "gloo"]
    train(data_bin, tmp_path / "two", "sub_batch", *gloo, updates=12, launcher=launcher)
    train(data_bin, tmp_path / "one", "sub_batch", "--update-freq", "2", updates=12)
    two, one = (weights(tmp_path / folder / "checkpoint_last.pt") for folder in ("two", "one"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=1e-4, rtol=1e-3, msg=key)


def test_hydra_trains_a_preset(data_bin, tmp_path):
    config = {
        "common": {"user_dir": str(PLUGIN), "cpu": True},
        "task": {"_name": "translation_sub_batch", "data": str(data_bin), "source_lang": "src", "target_lang": "en"},
        "model": {"_name": "bytenet_tiny", "norm": "sub_batch", "channels": 16, "bucket_width": 10},
        "criterion": {"_name": "cross_entropy"},
        "optimizer": {"_name": "adam"},
        "lr_scheduler": {"_name": "fixed"},
        "optimization": {"max_update": 5, "lr": [0.003]},
        "dataset": {"max_tokens": 1500, "num_workers": 0, "disable_validation": True},
        "checkpoint": {"save_dir": str(tmp_path / "checkpoints")},
    }
    (tmp_path / "bytenet.yaml").write_text(yaml.safe_dump(config))
    folder = ["--config-dir", tmp_path, "--config-name", "bytenet"]
    run("fairseq-hydra-train", *folder, cwd=tmp_path)
    stored = torch.load(tmp_path / "checkpoints/checkpoint_last.pt", weights_only=False)["cfg"]["model"]
    assert (stored["source_sets"], stored["source_kernel"], stored["unfold"]) == (1, 3, "pad")  # the preset's


def test_ngrams_travel_in_the_checkpoint(data_bin, tmp_path):
    run("fairseq-bbpe", "ngrams", data_bin, "--min-count", "1,1,20,20", "--output", tmp_path / "ngrams")
    tables = [tmp_path / f"ngrams.{side}.pt" for side in ("src", "en")]
    ngrams = ["--source-ngrams", tables[0], "--target-ngrams", tables[1], "--disable-validation"]
    train(data_bin, tmp_path / "model", "layer", *ngrams, updates=20)
    assert weights(tmp_path / "model/checkpoint_last.pt")["decoder.embedding.ngrams"].abs().sum() > 0
    with_files = generate(data_bin, "layer", tmp_path / "model/checkpoint_last.pt")
    for table in tables:
        table.unlink()
    assert generate(data_bin, "layer", tmp_path / "model/checkpoint_last.pt") == with_files
    failed = run(
        *("fairseq-train", data_bin, *QUICK, *ARCHITECTURES["layer"], *CPU_SIZE, *ADAM, *ngrams),
        *("--max-update", "1", "--save-dir", tmp_path / "again"),
        status=None,
    )
    assert "no such file; write it with fairseq-bbpe ngrams" in failed.stderr


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("layer", ["--task", "translation_sub_batch"], "--task translation_sub_batch needs --norm sub_batch"),
        ("sub_batch", ["--task", "translation"], "train with --task translation_sub_batch"),
        (
            "sub_batch",
            ["--max-tokens", "20", "--max-tokens-valid", "900"],
            "--max-tokens 20: --norm sub_batch needs two sentences in a batch",
        ),
        ("layer", ["--left-pad-target"], "--left-pad-target"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(name, options, words, data_bin, tmp_path):
    command = ["fairseq-train", data_bin, *QUICK, *ARCHITECTURES[name], *CPU_SIZE, *task(name), *ADAM, *options]
    failed = run(*command, "--max-update", "2", "--save-dir", tmp_path, status=None)
    assert "Traceback" not in failed.stderr
    (told,) = (line for line in failed.stderr.splitlines() if line.startswith("error: "))
    assert words in told
