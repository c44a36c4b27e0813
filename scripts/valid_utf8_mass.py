"""Count invalid hypotheses among many, of untrained models and of given checkpoints: 0 are expected.

Vocabularies of bytes, 512 and 4,096 pieces; greedy, beam 5 and sampling; every longest length from 1 to 40; batches of
mixed lengths; an ensemble. Takes about 15 minutes of one core; `--share 0.1` does a tenth of it.
"""

import argparse
import time
from argparse import Namespace
from itertools import product

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig
from fairseq_bbpe.vocabularies import Vocabulary

SEARCHES = {
    "greedy": {"beam": 1},
    "beam 5": {"beam": 5},
    "sampling": {"beam": 5, "sampling": True},
    "top-k": {"beam": 5, "sampling": True, "sampling_topk": 10},
    "top-p": {"beam": 5, "sampling": True, "sampling_topp": 0.8},
}
WIDTH = {"embed_dim": 32, "ffn_embed_dim": 32, "attention_heads": 2, "layers": 1}


def untrained(task: TranslationBBPE, seed: int):
    """A model that is sure of nonsense."""
    torch.manual_seed(seed)
    width = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in WIDTH.items()}
    args = Namespace(arch="transformer_bbpe_ctx_tiny", share_all_embeddings=True, embed_context="conv", **width)
    args.max_source_positions = args.max_target_positions = 99
    ARCH_CONFIG_REGISTRY[args.arch](args)
    model = ARCH_MODEL_REGISTRY[args.arch].build_model(args, task).eval()
    torch.nn.init.normal_(model.decoder.embed_tokens.weight, std=3 * 32**-0.5)
    return model


def count(task, models, search: dict, longest: int, sentences: int, valid: str) -> tuple[int, int]:
    """Hypotheses in all, and invalid ones, for random sources of 1 to 20 pieces."""
    rows = [torch.randint(4, len(task.src_dict), (1 + number % 20,)) for number in range(sentences)]
    rows = [torch.cat([row, torch.tensor([task.src_dict.eos()])]) for row in rows]
    dataset = task.build_dataset_for_inference(rows, [len(row) for row in rows])
    sample = dataset.collater([dataset[number] for number in range(sentences)])
    generator = task.build_generator(models, Namespace(**search, max_len_b=longest, valid_utf8=valid))
    texts = [
        Vocabulary.decode("".join(task.tgt_dict[token] for token in hypothesis["tokens"].tolist() if token > 2))
        for hypotheses in task.inference_step(generator, models, sample)
        for hypothesis in hypotheses
    ]
    return len(texts), sum(text.decode("utf-8", "ignore").encode() != text for text in texts)


def main() -> None:
    """Print a line for every vocabulary and search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, metavar="FILE", help="to learn the vocabularies from")
    parser.add_argument("--share", type=float, default=1.0, help="of the sentences (default: all)")
    args = parser.parse_args()
    with open(args.text, "rb") as file:
        lines = file.read().splitlines()
    began, total, wrong = time.monotonic(), 0, 0
    for size, (name, search) in product((256, 512, 4096), SEARCHES.items()):
        dictionary = Dictionary()
        for piece in Vocabulary.learn(lines, size, sample=20_000).pieces:
            dictionary.add_symbol(piece)
        task = TranslationBBPE(TranslationBBPEConfig(), dictionary, dictionary)
        models = [untrained(task, seed) for seed in (1, 2)]
        here = [0, 0, 0]
        for longest in range(1, 41):
            sentences = max(1, int(args.share * (175 if search["beam"] == 1 else 35)))
            for ensemble in (models, models[:1]):
                found, invalid = count(task, ensemble, search, longest, sentences, "on")
                here[0], here[1] = here[0] + found, here[1] + invalid
            here[2] += count(task, models[:1], search, longest, sentences, "off")[1]
        total, wrong = total + here[0], wrong + here[1]
        print(
            f"{size} pieces, {name}: {here[0]:,} hypotheses, {here[1]} invalid; without the rule {here[2]:,} of a half"
        )
    print(f"{total:,} hypotheses, {wrong} invalid, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
