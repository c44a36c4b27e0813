"""The task that knows its pieces: another vocabulary than the dictionaries' is refused, by task and by models."""

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.dataclass.configs import FairseqConfig
from fairseq.logging import metrics
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


@pytest.mark.parametrize("totals", [0, 7])
def test_empty_hypotheses_have_a_bleu_of_0(totals, data_bin):
    """fairseq logs none, and its best checkpoint by BLEU needs one."""
    task = TranslationBBPE.setup_task(TranslationBBPEConfig(data=str(data_bin), eval_bleu=True))
    criterion = LabelSmoothedCrossEntropyCriterion(task, False, 0.1)
    log = {"loss": 1, "nll_loss": 1, "ntokens": 1, "nsentences": 1, "sample_size": 1}
    scored = {"_bleu_sys_len": totals, "_bleu_ref_len": 7}
    scored |= {f"_bleu_{kind}_{n}": totals and 7 - n for kind in ("counts", "totals") for n in range(4)}
    for logs, expected in (([log], None), ([log | scored], 100.0 if totals else 0.0)):
        with metrics.aggregate(new_root=True) as found:
            task.reduce_metrics(logs, criterion)
        assert found.get_smoothed_values().get("bleu") == expected
