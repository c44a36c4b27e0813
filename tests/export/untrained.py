"""An untrained model as an engine, and the probabilities that exports of it must give."""

from argparse import Namespace

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig
from fairseq_bbpe.vocabularies import Vocabulary

VOCABULARY = Vocabulary.learn(["the cat sat on the mat, 日本語の日本".encode()] * 9, size=290)
WIDTH = {"embed_dim": 16, "ffn_embed_dim": 16, "attention_heads": 2, "layers": 2}


def engine_of(tmp_path, arch="transformer_bbpe_ctx_tiny", vocabulary=VOCABULARY, **options) -> FairseqModels:
    """An engine of one untrained model whose embeddings, context and padding row are far from their beginnings."""
    (tmp_path / vocabulary.FILE).write_bytes(vocabulary.model)
    dictionary = Dictionary()
    for piece in vocabulary.pieces:
        dictionary.add_symbol(piece)
    engine = object.__new__(FairseqModels)
    engine.task = TranslationBBPE(TranslationBBPEConfig(valid_utf8="off"), dictionary, dictionary)
    width = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in WIDTH.items()}
    args = Namespace(arch=arch, share_all_embeddings=True, **width, **options)
    args.max_source_positions = args.max_target_positions = 99
    ARCH_CONFIG_REGISTRY[arch](args)
    torch.manual_seed(3)
    model = ARCH_MODEL_REGISTRY[arch].build_model(args, engine.task).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    engine.models, engine.device, engine.longest_source = [model], torch.device("cpu"), 98
    engine.longest_target, engine.checkpoints = 98, []
    engine.data, engine.source, engine.target = tmp_path, "src", "en"
    return engine


def log_probabilities(engine, source, target) -> torch.Tensor:
    """Of every target token and the end, under fairseq's model."""
    dictionary = engine.task.target_dictionary
    src, tgt = ([*map(dictionary.index, pieces), dictionary.eos()] for pieces in (source, target))
    with torch.no_grad():
        before = torch.tensor([[dictionary.eos(), *tgt[:-1]]])
        out = engine.models[0](torch.tensor([src]), torch.tensor([len(src)]), before)
        return out[0].log_softmax(-1)[0].gather(1, torch.tensor(tgt)[:, None])[:, 0]
