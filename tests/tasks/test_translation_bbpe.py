"""The task that knows its pieces: another vocabulary than the dictionaries' is refused, by task and by models."""

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

import fairseq_bbpe
import fairseq_bbpe.plugin
from fairseq_bbpe import Vocabulary
from fairseq_bbpe.bpe import BBPEConfig
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig

REFUSED = "--bbpe-model .*other.model: its 256 pieces are not the source dictionary's"


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Of the 256 bytes alone, which are in every dictionary."""
    return Vocabulary.learn([], size=256).save(tmp_path_factory.mktemp("other") / "other")[0]


def bpe(model):
    return OmegaConf.structured(BBPEConfig(_name="bbpe", bbpe_model=str(model)))


def test_the_task_refuses_another_vocabulary_whatever_the_model(other, data_bin):
    task = TranslationBBPE.setup_task(TranslationBBPEConfig(data=str(data_bin)))
    assert task.build_bpe(bpe(data_bin / "bbpe.model")).encode("a") == "a"
    with pytest.raises(UserError, match=REFUSED):
        task.build_bpe(bpe(other))
    assert task.build_bpe(OmegaConf.create({"_name": None})) is None


def test_our_models_refuse_it_whatever_the_task(other, trained, data_bin):
    (model,), _ = checkpoint_utils.load_model_ensemble(
        [str(trained / "checkpoint_last.pt")], arg_overrides={"data": str(data_bin)}
    )
    cfg = OmegaConf.structured(FairseqConfig())
    model.prepare_for_inference_(cfg)
    cfg.bpe = bpe(data_bin / "bbpe.model")
    model.prepare_for_inference_(cfg)
    cfg.bpe = bpe(other)
    with pytest.raises(UserError, match=REFUSED):
        model.prepare_for_inference_(cfg)


def test_from_pretrained_refuses_it(other, trained, data_bin):
    load = fairseq_bbpe.TransformerBBPE.from_pretrained
    with pytest.raises(UserError, match=REFUSED):
        load(str(trained), "checkpoint_last.pt", str(data_bin), bpe="bbpe", bbpe_model=str(other))
    assert torch.is_tensor(load(str(trained), "checkpoint_last.pt", str(data_bin)).encode("a"))
