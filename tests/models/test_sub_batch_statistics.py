"""Sub-BN in whole models: a checkpoint's statistics are those of its own weights, and no layer waits for the device."""

import re

import numpy as np
import pytest
import torch
from conftest import QUICK, run
from fairseq import checkpoint_utils
from test_bytenet import PAD, build, sentences, shifted
from torch.utils._python_dispatch import TorchDispatchMode

from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm

TRANSLATION = [
    *("--task", "translation_sub_batch", "--arch", "bytenet_tiny", "--norm", "sub_batch", "--unfold", "zero"),
    *("--bucket-width", "10", "--channels", "8", "--dilations", "1,2", "--max-tokens", "1500"),
]
LANGUAGE_MODEL = [
    *("--task", "byte_language_modeling", "--arch", "bytenet_lm_tiny", "--norm", "sub_batch", "--channels", "8"),
    *("--dilations", "1,2", "--context-bytes", "7", "--scored-bytes", "30", "--batch-size", "8"),
]
TRAIN = ["--optimizer", "adam", "--lr", "0.01", "--clip-norm", "1", "--statistics-batches", "3"]


class Waits(TorchDispatchMode):
    """Counts what would make the CPU wait for a GPU: a number read off a tensor, a result of unknown size."""

    WAITING = ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.unique", "aten._unique2")

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = str(function)
        masks = name.startswith("aten.index") and any(
            torch.is_tensor(index) and index.dtype == torch.bool
            for index in (arguments[1] if isinstance(arguments[1], (list, tuple)) else ())
        )
        self.count += masks or name.startswith(self.WAITING)
        return function(*arguments, **(options or {}))


def waits(dilations, training):
    model = build(norm="sub_batch", dilations=dilations).train(training)
    source, target = sentences([9, 6, 8, 7]), sentences([12, 11, 15, 13])
    parts = {"num_auxiliary": 2, "statistics": 1} if training else {}
    with Waits() as counted:
        logits, _ = model(source, source.ne(PAD).sum(1), shifted(target), **parts)
        if training:
            logits.sum().backward()
    return counted.count


@pytest.mark.parametrize("training", [True, False], ids=["update", "evaluation"])
def test_the_cpu_waits_no_more_often_for_more_layers(training):
    few, many = waits("1", training), waits("1,2,4,8,16", training)
    assert few == many <= 4  # the longest sentence of a batch, and fairseq's look at the side of the padding


def statistics_by_hand(model, batches):
    """Mean and variance of all columns that each layer sees, in NumPy; {layer: {statistics: (mean, var)}}.

    A batch passes each layer normalised by its own mean and variance, as an auxiliary part is in training.
    """
    seen = {}

    def own(norm, name):
        def forward(x, batch):
            mask = torch.ones(x.shape[:2], dtype=torch.bool) if batch.non_pad_mask is None else batch.non_pad_mask
            columns = x[mask].double().numpy()
            seen[name].setdefault(batch.statistics, []).append(columns)
            weight, bias = norm.weight.detach().double().numpy(), norm.bias.detach().double().numpy()
            flat = x.double().numpy()
            out = (flat - columns.mean(0)) / np.sqrt(columns.var(0) + 1e-5) * weight + bias
            return torch.from_numpy(out).to(x.dtype)

        return forward

    for name, norm in model.named_modules():
        if isinstance(norm, SubBatchNorm):
            seen[name] = {}
            norm.forward = own(norm, name)
    model.eval()
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    for norm in model.modules():
        if isinstance(norm, SubBatchNorm):
            del norm.forward
    together = {name: {key: np.concatenate(parts) for key, parts in sets.items()} for name, sets in seen.items()}
    return {
        name: {key: (columns.mean(0), columns.var(0)) for key, columns in sets.items()}
        for name, sets in together.items()
    }


@torch.no_grad()
def loss_in_bits(model, task, split):
    """Mean over all scored symbols, under the model's statistics."""
    task.load_dataset(split)
    dataset, bits, symbols = task.dataset(split), 0.0, 0
    for first in range(0, len(dataset), 16):
        batch = dataset.collater([dataset[i] for i in range(first, min(first + 16, len(dataset)))])
        logits, _ = model(**batch["net_input"])
        scored = batch["target"].ne(PAD)
        logs = logits.log_softmax(-1)[scored].gather(1, batch["target"][scored].unsqueeze(1))
        bits, symbols = bits - float(logs.double().sum()) / np.log(2), symbols + int(scored.sum())
    return bits / symbols


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Files of bytes."""
    folder = tmp_path_factory.mktemp("raw")
    words = [b"byte", b"net", "日本".encode(), b"decoder", b"of", b"text"]
    for name, size in (("train", 9000), ("valid", 500)):
        draw = np.random.default_rng(size).integers(0, len(words), size)
        (folder / name).write_bytes(b" ".join(words[i] for i in draw)[:size])
    return folder


@pytest.mark.parametrize(
    ("kind", "validated"), [("translation", True), ("language model", True), ("language model", False)]
)
def test_validation_and_checkpoint_have_the_statistics_of_the_final_weights(kind, validated, data_bin, raw, tmp_path):
    data, options = (data_bin, TRANSLATION) if kind == "translation" else (raw, LANGUAGE_MODEL)
    updates = ["--save-interval-updates", "7", "--max-update", "10"]
    if not validated:
        updates.append("--disable-validation")
    out = run("fairseq-train", data, *QUICK, *options, *TRAIN, *updates, "--save-dir", tmp_path).stdout
    for checkpoint in ("checkpoint_1_7.pt", "checkpoint_last.pt"):
        (model,), cfg, task = checkpoint_utils.load_model_ensemble_and_task([str(tmp_path / checkpoint)])
        task.load_dataset("train")
        limits = {"max_tokens": cfg.dataset.max_tokens, "max_sentences": cfg.dataset.batch_size}
        task.get_batch_iterator(task.dataset("train"), **limits, required_batch_size_multiple=8, seed=1)
        wanted = statistics_by_hand(model, list(task.dataset("train").batches_for_statistics(3)))
        norms = dict(model.named_modules())
        for name, sets in wanted.items():
            assert sets
            for number, (mean, var) in sets.items():
                np.testing.assert_allclose(norms[name].running_mean[number].numpy(), mean, atol=1e-4)
                np.testing.assert_allclose(norms[name].running_var[number].numpy(), var, rtol=1e-3, atol=1e-5)
                norms[name].running_mean[number] = torch.from_numpy(mean)
                norms[name].running_var[number] = torch.from_numpy(var)
    if validated:
        logged = float(re.findall(r"valid on 'valid' subset .*? loss ([\d.]+)", out)[-1])
        assert loss_in_bits(model, task, "valid") == pytest.approx(logged, abs=2e-3)


def test_a_checkpoint_of_the_first_release_still_loads():
    """Its sets of statistics, one for each pair of intervals, become one for each target interval."""
    model = build(norm="sub_batch")
    state, old = model.state_dict(), {}
    for name, value in state.items():
        if name.endswith(("running_mean", "running_var")):
            old[name] = torch.rand(16, value.size(1))
        elif name.endswith("columns_seen"):
            old[name.replace("columns_seen", "batches_seen")] = torch.ones(16, dtype=torch.long)
        else:
            old[name.replace("buckets.pairs", "buckets.batches_seen")] = value + 1
    model.load_state_dict(dict(old), strict=True)
    assert model.buckets.pairs.eq(1).all()
    mean = old["decoder.norm.running_mean"].view(4, 4, -1).mean(0)
    torch.testing.assert_close(model.decoder.norm.running_mean, mean)


def test_the_training_split_is_read_whole_by_whoever_does_not_train(data_bin):
    from fairseq_bbpe.tasks.translation_sub_batch import SubBatchTranslation, SubBatchTranslationConfig

    task = SubBatchTranslation.setup_task(
        SubBatchTranslationConfig(
            data=str(data_bin),
            source_lang="src",
            target_lang="en",
            train_subset="train",
            dataset_impl="mmap",
            required_seq_len_multiple=1,
        )
    )
    task.buckets = build(norm="sub_batch").buckets
    task.load_dataset("train", task_cfg=task.cfg)  # as fairseq-generate and fairseq-validate do
    dataset = task.dataset("train")
    assert len(dataset.collater([dataset[0], dataset[1]])["id"]) == 2
    task.load_dataset("train")
    dataset = task.dataset("train")
    assert len(dataset.collater([dataset[0], dataset[1]])["id"]) == 1
