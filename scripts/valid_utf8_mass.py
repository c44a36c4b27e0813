#!/usr/bin/env python
"""Count invalid hypotheses among many, of untrained and half-trained models: 0 are expected, and nothing to recover.

Vocabularies of bytes, 512 and 4,096 pieces; greedy, beam 5 and sampling; in every batch all longest lengths from 1 to
40, as a hypothesis may be as long as its source; an untrained model, one that has learned a little of copying FILE,
and an ensemble of both. That is 7,560 hypotheses, times --copies. Exits with 1 where any is invalid.
"""

import argparse
import sys
import time
from argparse import Namespace
from pathlib import Path

import torch
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig
from fairseq_bbpe.text.recovery import recover
from fairseq_bbpe.vocabularies import Vocabulary

SEARCHES = {
    "greedy": {"beam": 1},
    "beam 5": {"beam": 5, "nbest": 5},
    "sampling": {"beam": 5, "sampling": True},
    "top-k": {"beam": 5, "sampling": True, "sampling_topk": 10},
    "top-p": {"beam": 5, "sampling": True, "sampling_topp": 0.8},
}
LONGEST = 40
WIDTH = {"embed_dim": 32, "ffn_embed_dim": 32, "attention_heads": 2, "layers": 1}


def task_of(vocabulary: Vocabulary) -> TranslationBBPE:
    """A translation task whose two dictionaries are this vocabulary."""
    dictionary = Dictionary()
    for piece in vocabulary.pieces:
        dictionary.add_symbol(piece)
    return TranslationBBPE(TranslationBBPEConfig(), dictionary, dictionary)


def model_of(task: TranslationBBPE, seed: int, sharpness: float):
    """A small Transformer, untrained; the larger `sharpness`, the surer it is of the nonsense that it writes."""
    torch.manual_seed(seed)
    width = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in WIDTH.items()}
    args = Namespace(arch="transformer_bbpe_ctx_tiny", share_all_embeddings=True, embed_context="conv", **width)
    args.max_source_positions = args.max_target_positions = 99
    ARCH_CONFIG_REGISTRY[args.arch](args)
    model = ARCH_MODEL_REGISTRY[args.arch].build_model(args, task).eval()
    torch.nn.init.normal_(model.decoder.embed_tokens.weight, std=sharpness * 32**-0.5)
    return model


def half_train(model, task: TranslationBBPE, rows: list[torch.Tensor], updates: int) -> None:
    """Let `model` learn to copy `rows` (T,) of ids, for so few updates that it knows characters but not which."""
    dictionary = task.target_dictionary
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for update in range(updates):
        batch = [rows[(update * 32 + number) % len(rows)] for number in range(32)]
        sizes = [len(row) for row in batch]
        pairs = LanguagePairDataset(batch, sizes, dictionary, batch, sizes, dictionary, shuffle=False)
        sample = pairs.collater([pairs[number] for number in range(len(batch))])
        logits = model(**sample["net_input"])[0].flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, sample["target"].flatten(), ignore_index=dictionary.pad())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def hypotheses(task: TranslationBBPE, models, search: dict, copies: int = 1, valid_utf8: str = "on") -> list[bytes]:
    """What comes out for `copies` of random sources of 1 to `LONGEST` pieces, none longer than its source."""
    end = torch.tensor([task.src_dict.eos()])
    lengths = [length for length in range(LONGEST) for _ in range(copies)]
    rows = [torch.cat([torch.randint(4, len(task.src_dict), (length,)), end]) for length in lengths]
    dataset = task.build_dataset_for_inference(rows, [len(row) for row in rows])
    sample = dataset.collater([dataset[number] for number in range(len(rows))])
    options = Namespace(**search, max_len_a=1, max_len_b=0, valid_utf8=valid_utf8)
    found = task.inference_step(task.build_generator(models, options), models, sample)
    texts = []
    for number, of_one in zip(sample["id"].tolist(), found, strict=True):
        for tokens in (hypothesis["tokens"].tolist() for hypothesis in of_one):
            assert len(tokens) <= len(rows[number]) + 1, "the lengths are not bounded as this count is meant to try"
            texts.append(Vocabulary.decode("".join(task.tgt_dict[token] for token in tokens if token > 2)))
    return texts


def dropped(texts: list[bytes]) -> tuple[int, int]:
    """How many of `texts` are not valid UTF-8, and how many bytes the recovery of Eq. 1 drops of all."""
    kept = [recover(text).encode() for text in texts]
    wrong = sum(a != b for a, b in zip(texts, kept, strict=True))
    return wrong, sum(map(len, texts)) - sum(map(len, kept))


def main() -> None:
    """Print a line for every vocabulary and search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path, metavar="FILE", help="to learn vocabularies and copying")
    parser.add_argument("--pieces", type=int, nargs="+", default=[256, 512, 4096], help="(default: 256 512 4096)")
    parser.add_argument("--copies", type=int, default=1, help="sources of each length (default: 1)")
    parser.add_argument("--updates", type=int, default=200, help="of the half-trained models (default: 200)")
    args = parser.parse_args()
    lines = args.text.read_bytes().splitlines()
    began, total, wrong = time.monotonic(), 0, 0
    for size in args.pieces:
        vocabulary = Vocabulary.learn(lines, size, sample=20_000)
        task = task_of(vocabulary)
        untrained, trained = model_of(task, 1, sharpness=3.0), model_of(task, 2, sharpness=1.0)
        encoded = vocabulary.encode_lines(lines[:2000])
        rows = [task.src_dict.encode_line(line, add_if_not_exist=False).long()[-LONGEST:] for line in encoded]
        half_train(trained, task, rows, args.updates)
        ensembles = [[untrained], [trained], [untrained, trained]]
        for name, search in SEARCHES.items():
            texts = [text for models in ensembles for text in hypotheses(task, models, search, args.copies)]
            free = [text for models in ensembles for text in hypotheses(task, models, search, valid_utf8="off")]
            invalid, bytes_dropped = dropped(texts)
            total, wrong = total + len(texts), wrong + invalid
            print(
                f"{size} pieces, {name}: {len(texts):,} hypotheses, {invalid} invalid, {bytes_dropped} bytes to "
                f"recover from; without the rule {dropped(free)[0]} of {len(free)} invalid",
                flush=True,
            )
    print(f"{total:,} hypotheses, {wrong} invalid, in {time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
