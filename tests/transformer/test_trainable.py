"""Fine-tuning of some parts (Table 8 of the paper): they move, and the others keep every bit they were loaded with."""

import re
from argparse import Namespace

import pytest
import torch
import yaml
from conftest import ADAM, PLUGIN, QUICK, ROOT, SMALL, run
from fairseq.data import Dictionary, data_utils
from fairseq.models import ARCH_CONFIG_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE, _namespace

ARCH = "transformer_bbpe_ctx_tiny"
SHARED = {
    "all": {"share_all_embeddings": True},
    "output": {"share_decoder_input_output_embed": True},
    "none": {},
    "adaptive": {"adaptive_softmax_cutoff": "40,80"},
}
TABLES = ("encoder.embed_tokens.", "decoder.embed_tokens.", "decoder.output_projection.", "decoder.adaptive_softmax.")


def build(shared: str = "all", **options) -> TransformerBBPE:
    """A model of a hundred symbols and width 16."""
    dictionary = Dictionary()
    for symbol in range(100):
        dictionary.add_symbol(str(symbol))
    sizes = {f"{side}_{name}": 16 for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")}
    args = Namespace(arch=ARCH, **sizes, **SHARED[shared], **options)
    ARCH_CONFIG_REGISTRY[ARCH](args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return TransformerBBPE.build_model(args, task)


def belongs(name: str, part: str) -> bool:
    """Whether the parameter is of the part, written out."""
    if name.startswith(TABLES):
        return part == "embed"
    return name.startswith(f"{part}.")


def trained(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("spec", ["embed", "encoder", "decoder", "embed,encoder", "decoder,encoder", "embed, decoder"])
def test_what_is_named_trains_and_nothing_else(spec, shared):
    model = build(shared, trainable=spec, encoder_learned_pos=True, decoder_learned_pos=True)
    parameters = dict(model.named_parameters())
    parts = [part.strip() for part in spec.split(",")]
    expected = {name for name in parameters if any(belongs(name, part) for part in parts)}
    assert trained(model) == expected
    assert expected
    assert expected < set(parameters)
    ordered = ", ".join(part for part in ("embed", "encoder", "decoder") if part in parts)
    counts = [sum(parameters[name].numel() for name in names) for names in (expected, parameters)]
    assert model.what_trains == f"trainable: {ordered}: {counts[0]:,} of {counts[1]:,} parameters"


@pytest.mark.parametrize("shared", SHARED)
def test_the_parts_leave_nothing_out_and_do_not_overlap(shared):
    total = sum(parameter.numel() for parameter in build(shared).parameters())
    counts = []
    for part in ("embed", "encoder", "decoder"):
        counts.append(int(re.search(r": ([\d,]+) of", build(shared, trainable=part).what_trains)[1].replace(",", "")))
    assert sum(counts) == total
    # One table, or two, or two and a projection, each with fairseq's four special symbols.
    if shared != "adaptive":
        assert counts[0] == {"all": 1, "output": 2, "none": 3}[shared] * 104 * 16


def test_every_layer_trains_whatever_layerdrop_draws():
    drawn = {"checkpoint_activations": True, "encoder_layerdrop": 0.99, "encoder_layers": 6}
    model = build(trainable="encoder", embed_context="none", **drawn).train()
    model.encoder.layers.p = 0.0
    tokens = torch.arange(4, 24).view(4, 5)
    model(tokens, torch.full((4,), 5), tokens)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.layers.parameters())


@pytest.mark.parametrize("options", [{}, {"trainable": "all"}, {"trainable": "encoder,decoder,embed"}])
def test_everything_trains_unless_told_otherwise(options):
    model = build(**options)
    assert trained(model) == set(dict(model.named_parameters()))
    assert model.what_trains is None


def test_what_trains_is_told_once_and_only_by_a_training(caplog):
    caplog.set_level("INFO")
    model = build(trainable="embed")
    model.eval()
    assert not caplog.messages
    for _ in range(3):
        assert model.train() is model
        assert model.training
    assert [message.split(":")[:2] for message in caplog.messages] == [["trainable", " embed"]]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "embeddings",
            "--trainable embeddings: there is no part embeddings: give all, or one or more of embed, encoder",
        ),
        ("", "--trainable '': there is no part '': give"),
        ("embed,", "--trainable embed,: there is no part '': give"),
        ("all,embed", "--trainable all,embed: there is no part all: give"),
        ("embed,encoder,embed", "--trainable embed,encoder,embed: embed is there twice: give"),
        (["embed"], "there is no part "),
        (None, "--trainable None: there is no part None: give"),
    ],
)
def test_a_bad_list_is_one_line(spec, message):
    with pytest.raises(UserError) as raised:
        build(trainable=spec)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("spec", ["embed", "encoder", "decoder", "encoder,decoder", "embed,decoder"])
@pytest.mark.parametrize("checkpointed", [False, True], ids=["", "checkpointed"])
@pytest.mark.parametrize("shared", ["all", "none"])
def test_every_trainable_parameter_has_a_gradient(spec, checkpointed, shared):
    """Recomputed layers have none where none of their inputs has, as on frozen embeddings."""
    model = build(shared, trainable=spec, embed_context="none", checkpoint_activations=checkpointed).train()
    tokens = torch.randint(4, 100, (2, 7))
    model(tokens, torch.tensor([7, 7]), tokens)[0].square().sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == trained(model)


@torch.no_grad()
def test_validation_asks_recomputed_layers_for_no_gradient():
    model = build(trainable="encoder,decoder", embed_context="none", checkpoint_activations=True).eval()
    asked = []
    for layer in (*model.encoder.layers, *model.decoder.layers):
        layer.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0].requires_grad))
    tokens = torch.randint(4, 100, (2, 7))
    model(tokens, torch.tensor([7, 7]), tokens)
    assert set(asked) == {False}


def state(checkpoint) -> dict:
    """A checkpoint's tensors; fairseq's positions keep one number that is never set."""
    model = torch.load(checkpoint, weights_only=False)["model"]
    return {name: value for name, value in model.items() if not name.endswith(("_float_tensor", ".version"))}


def assert_moved(before: dict, after: dict, parts: tuple[str, ...]) -> None:
    """Every tensor of the parts is another, every other tensor is equal, bit by bit."""
    assert before.keys() == after.keys()
    equal = {name for name in before if torch.equal(before[name], after[name])}
    assert equal == {name for name in before if not any(belongs(name, part) for part in parts)}
    assert 0 < len(equal) < len(before)


@pytest.fixture(scope="module")
def sinhala(data_bin, tmp_path_factory):
    """A data-bin of a language in a script that the vocabulary never saw."""
    folder = tmp_path_factory.mktemp("sinhala")
    few = ["--languages", "si", "--unseen", "ka", "--pairs", "80", "--held-out", "8"]
    run("python", ROOT / "examples/cldr_corpus.py", "--output", folder / "raw", *few)
    prefixes = [f"--{name}pref={folder / 'raw' / name}" for name in ("train", "valid", "test")]
    model = ["--model", data_bin / "bbpe.model", "--destdir", folder / "bin"]
    run("fairseq-bbpe", "prepare", "--source-lang", "src", "--target-lang", "en", *prefixes, *model)
    return folder / "bin"


@pytest.fixture(scope="module")
def finetuned(trained_model, sinhala, tmp_path_factory):
    """The folder of a fine-tuning of the embeddings and the encoder, stopped and resumed, and its two outputs."""
    folder = tmp_path_factory.mktemp("finetuned")
    command = ["fairseq-train", sinhala, *QUICK, *SMALL, *ADAM, "--weight-decay", "0.1", "--disable-validation"]
    command += ["--finetune-from-model", trained_model, "--trainable", "embed,encoder", "--save-dir", folder]
    outputs = [run(*command, "--max-update", updates).stdout for updates in ("2", "4")]
    return folder, outputs


@pytest.fixture(scope="module")
def trained_model(trained):
    return trained / "checkpoint_best.pt"


def test_no_symbol_of_another_script_is_unknown(sinhala, data_bin):
    assert (sinhala / "dict.src.txt").read_bytes() == (data_bin / "dict.src.txt").read_bytes()
    dictionary = Dictionary.load(str(sinhala / "dict.src.txt"))
    for name in ("train", "valid", "test"):
        for language in ("src", "en"):
            data = data_utils.load_indexed_dataset(str(sinhala / f"{name}.src-en.{language}"), dictionary)
            assert len(data) >= 8
            assert not any(ids.eq(dictionary.unk()).any() for ids in data)


def test_fine_tuning_moves_what_is_named_and_no_bit_of_the_rest(finetuned, trained_model):
    folder, outputs = finetuned
    assert_moved(state(trained_model), state(folder / "checkpoint_last.pt"), ("embed", "encoder"))
    assert "loading pretrained model" in outputs[0]
    assert "Loaded checkpoint" in outputs[1]
    assert "loading pretrained model" not in outputs[1]
    for output in outputs:
        ((ours, total),) = re.findall(r"trainable: embed, encoder: ([\d,]+) of ([\d,]+) parameters", output)
        assert f"num. shared model params: {total} (num. trained: {ours})" in output


def test_a_fine_tuned_model_translates_and_says_nothing_of_training(finetuned, sinhala):
    folder, _ = finetuned
    options = ["--path", folder / "checkpoint_last.pt", "--beam", "1", "--max-len-b", "20"]
    out = run("fairseq-generate", sinhala, *QUICK, *options, "--bpe", "bbpe", "--bbpe-model", sinhala / "bbpe.model")
    sources = [line for line in out.stdout.splitlines() if line.startswith("S-")]
    assert len(sources) >= 8
    assert not any("<unk>" in line for line in sources)
    assert out.stdout.count("\nD-") == len(sources)
    assert "trainable: " not in out.stdout + out.stderr


def test_hydra_fine_tunes_a_fine_tuned_model_further(finetuned, sinhala, tmp_path):
    first = finetuned[0] / "checkpoint_last.pt"
    sizes = {name[2:].replace("-", "_"): int(size) for name, size in zip(SMALL[3::2], SMALL[4::2], strict=True)}
    config = {
        "common": {"user_dir": str(PLUGIN), "cpu": True, "no_progress_bar": True},
        "task": {"_name": "translation", "data": str(sinhala)},
        "model": {"_name": ARCH, "share_all_embeddings": True, **sizes, "trainable": "decoder"},
        "criterion": {"_name": "label_smoothed_cross_entropy", "label_smoothing": 0.1},
        "optimizer": {"_name": "adam", "weight_decay": 0.1},
        "lr_scheduler": {"_name": "fixed"},
        "dataset": {"max_tokens": 600, "num_workers": 0, "disable_validation": True},
        "optimization": {"max_update": 2, "lr": [0.005]},
        "checkpoint": {"save_dir": str(tmp_path / "checkpoints"), "finetune_from_model": str(first)},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    out = run("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "small", cwd=tmp_path)
    assert "trainable: decoder: " in out.stdout + out.stderr
    assert_moved(state(first), state(tmp_path / "checkpoints/checkpoint_last.pt"), ("decoder",))


def test_a_hydra_file_may_name_it():
    from omegaconf import OmegaConf

    cfg = OmegaConf.create({"_name": ARCH, "trainable": "embed,encoder"})
    assert _namespace(cfg, TransformerBBPE).trainable == "embed,encoder"


def test_a_bad_list_on_the_command_line_is_one_line(sinhala, tmp_path):
    command = ["fairseq-train", sinhala, *QUICK, *SMALL, *ADAM, "--save-dir", tmp_path / "c"]
    failed = run(*command, "--trainable", "encoder,head", status=1)
    assert failed.stderr.splitlines()[-1].startswith("error: --trainable encoder,head: there is no part head: give all")
    assert "Traceback" not in failed.stderr
