"""What fairseq's commands ask of our models besides predictions: building, loading, checks before inference."""

import math
from argparse import ArgumentParser
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from test_bytenet import build, dictionary

from fairseq_bbpe.data.byte_file import byte_dictionary
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.models import bytenet_lm
from fairseq_bbpe.models.transformer_bbpe_ctx import TransformerBBPE, _namespace, transformer_bbpe_ctx
from fairseq_bbpe.vocabularies import Vocabulary


@pytest.fixture
def asked(tmp_path):
    """fairseq's configuration with a vocabulary that is not that of `dictionary()`."""
    model, _ = Vocabulary.learn((), 256).save(tmp_path / "v")
    bpe = OmegaConf.create({"_name": "bbpe", "bbpe_model": str(model)})
    generation = SimpleNamespace(beam=1, no_beamable_mm=False, print_alignment=None, retain_dropout=False)
    return SimpleNamespace(bpe=bpe, generation=generation)


def test_a_bytenet_refuses_another_vocabulary_before_it_translates(asked):
    model = build()
    with pytest.raises(UserError, match=r"v\.model"):
        model.prepare_for_inference_(asked)
    prepared = build()
    prepared.prepare_for_inference_(SimpleNamespace(bpe=None, generation=asked.generation))
    with pytest.raises(RuntimeError, match="cannot train after make_generation_fast"):
        prepared.train()  # fairseq has prepared it too


def test_a_byte_model_is_built_for_its_tasks_dictionary():
    task = SimpleNamespace(target_dictionary=byte_dictionary())
    model = bytenet_lm.ByteNetLM.build_model(bytenet_lm.TINY(), task)
    assert model.decoder.dictionary is task.target_dictionary
    width = 2 * bytenet_lm.TINY().channels
    assert float(model.decoder.embedding.weight.detach().std()) == pytest.approx(width**-0.5, rel=0.02)
    with torch.no_grad():  # a new model costs about 8 bits a byte
        logits = model(torch.randint(4, 260, (2, 50)))[0]
    bits = -logits.log_softmax(-1)[..., 4:].mean() / math.log(2)
    assert 8 <= bits < 10


def test_operations_are_whole_numbers():
    model = bytenet_lm.ByteNetLM.build_model(bytenet_lm.TINY(), SimpleNamespace(target_dictionary=byte_dictionary()))
    assert isinstance(model.training_flops(40, 10, 1 / 3), int)


def test_a_checkpoint_that_is_no_byte_model_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"absent\.pt: no such file: give a checkpoint"):
        bytenet_lm.load_decoder(str(tmp_path / "absent.pt"))
    path = tmp_path / "model.pt"
    path.touch()
    asked = []
    task = SimpleNamespace(target_dictionary=byte_dictionary())
    ours = bytenet_lm.ByteNetLM.build_model(bytenet_lm.TINY(), task).train()
    models = [ours, build()]

    def load(paths):
        asked.append(paths)
        return [models.pop(0)], None

    monkeypatch.setattr(bytenet_lm, "load_model_ensemble", load)
    decoder = bytenet_lm.load_decoder(str(path))
    assert decoder is ours.decoder
    assert not decoder.training
    with pytest.raises(UserError, match=r"model\.pt: a ByteNetTiny; give a checkpoint of --arch bytenet_lm"):
        bytenet_lm.load_decoder(str(path))
    assert asked == [[str(path)]] * 2


def transformer(**options) -> TransformerBBPE:
    sizes = {f"{side}_{name}": 16 for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")}
    args = SimpleNamespace(share_all_embeddings=True, **sizes, **options)
    transformer_bbpe_ctx(args)
    symbols = dictionary()
    cfg = SimpleNamespace(left_pad_target=options.pop("left", False), load_alignments=options.pop("alignments", False))
    return TransformerBBPE.build_model(
        args, SimpleNamespace(source_dictionary=symbols, target_dictionary=symbols, cfg=cfg)
    )


def test_a_transformer_knows_where_targets_are_padded():
    assert transformer(left=True).decoder.left_pad_target is True
    assert transformer().decoder.left_pad_target is False
    assert transformer(alignments=True).decoder.needs_weights is True
    assert TransformerBBPE.hub_models() == {}


def test_preparing_for_inference_is_final_and_looks_at_the_vocabulary(asked):
    model = transformer()
    model.prepare_for_inference_(SimpleNamespace(bpe=None, generation=asked.generation))
    assert model.decoder.needs_weights is False
    with pytest.raises(RuntimeError, match="cannot train after make_generation_fast"):
        model.train()
    with pytest.raises(UserError, match=r"v\.model"):
        transformer().prepare_for_inference_(asked)


def test_presets_keep_what_is_said():
    said = {"embed_context": "none", "embed_context_kernel": 3, "embed_context_layers": 2, "trainable": "encoder"}
    said |= {"embed_context_order": "positions-first", "attention_dropout": 0.7, "activation_dropout": 0.6}
    args = SimpleNamespace(**said)
    transformer_bbpe_ctx(args)
    assert {name: getattr(args, name) for name in said} == said
    assert transformer_bbpe_ctx(empty := SimpleNamespace()) is None
    assert empty.embed_context_order == "context-first"


def test_the_options_of_the_transformer_are_its_own_and_fairseqs(capsys):
    parser = ArgumentParser()
    TransformerBBPE.add_args(parser)
    given = {"embed_context": "mixture", "embed_context_kernel": 3, "embed_context_layers": 2, "encoder_layers": 4}
    given |= {"embed_context_order": "positions-first", "trainable": "embed,encoder"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    assert vars(parser.parse_args(flags)).items() >= given.items()
    for flag in ("--embed-context=lstm", "--embed-context-order=last", "--embed-context-kernel=x"):
        with pytest.raises(SystemExit):
            parser.parse_args([flag])
        assert flag.partition("=")[0] in capsys.readouterr().err


def test_a_transformer_is_built_from_a_hydra_file_for_its_task():
    section = {"embed_context": "conv", "embed_context_kernel": 3, "encoder_embed_dim": 16, "encoder_ffn_embed_dim": 16}
    cfg = OmegaConf.create({"_name": "transformer_bbpe_ctx_tiny", "encoder_attention_heads": 2, **section})
    symbols = dictionary()
    task = SimpleNamespace(source_dictionary=symbols, target_dictionary=symbols)
    for left, cfgs in ((True, {"cfg": SimpleNamespace(left_pad_target=True)}), (False, {})):
        model = TransformerBBPE.build_model(cfg, SimpleNamespace(**vars(task), **cfgs))
        assert model.encoder.contextualizer.layers[0].weight.shape == (16, 1, 3)
        assert model.decoder.left_pad_target is left


def test_a_hydra_file_with_an_option_of_no_model_is_refused():
    known = {"_name": "transformer_bbpe_ctx_tiny", "embed_context": "conv", "encoder_layers": 2, "arch": "x"}
    known |= {"tie_adaptive_proj": True, "decoder_input_dim": 8}  # an option without a default, a default of no option
    assert vars(_namespace(OmegaConf.create(known), TransformerBBPE)) == known
    unknown = OmegaConf.create({**known, "zeta": 1, "embed_contexts": "gru"})
    with pytest.raises(
        UserError, match=r"^model: transformer_bbpe_ctx_tiny has no option embed_contexts, zeta; 'fairseq-"
    ):
        _namespace(unknown, TransformerBBPE)
    resolved = OmegaConf.create({"_name": "t", "encoder_layers": 3, "decoder_layers": "${encoder_layers}"})
    assert _namespace(resolved, TransformerBBPE).decoder_layers == 3
