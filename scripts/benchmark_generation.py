#!/usr/bin/env python
"""Generation speed: sentences/s of this project's decoder over fairseq's own, with one model's weights and search.

Both generate the same batches in turn, several rounds, in one process; what counts is the ratio, for a machine's speed
drifts. Prints a Markdown table, with how many best hypotheses are identical and how far their scores are apart.
"""

import argparse
import copy
import statistics
import time

import torch
from fairseq import checkpoint_utils, utils
from fairseq.models.transformer import TransformerDecoderBase
from fairseq.sequence_generator import SequenceGenerator

import fairseq_bbpe.plugin  # noqa: F401


def with_fairseqs_decoder(model):
    """The same model and weights, decoding with fairseq's layers."""
    theirs = copy.deepcopy(model)
    decoder = model.decoder
    theirs.decoder = TransformerDecoderBase(model.cfg, decoder.dictionary, theirs.encoder.embed_tokens)
    theirs.decoder.load_state_dict(decoder.state_dict())
    theirs.encoder.shares_source = False
    for layer in theirs.decoder.layers:
        layer.make_generation_fast_(need_attn=False)  # as `fairseq-generate` without --print-alignment
    return theirs.eval()


def batches(task, split: str, size: int, count: int):
    """The first `count` batches of `size` sentences of like length, as `fairseq-generate` makes them."""
    task.load_dataset(split)
    iterator = task.get_batch_iterator(task.dataset(split), max_sentences=size, num_workers=0)
    itr = iterator.next_epoch_itr(shuffle=False)
    return [batch for _, batch in zip(range(count), itr, strict=False)]


def measure(models, dictionary, samples, beam: int, rounds: int):
    """Ratios of speed, our sentences/s, identical best hypotheses of how many, and the largest distance of scores."""
    generators = [
        SequenceGenerator([model], dictionary, beam_size=beam, max_len_a=1.2, max_len_b=10) for model in models
    ]
    seconds, outputs = [[], []], [[], []]
    for turn in range(rounds + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            outputs[which] = [h[0] for s in samples for h in generators[which].generate([models[which]], s)]
            seconds[which].append(time.perf_counter() - start)
    ratios = [theirs / ours for ours, theirs in zip(*(s[1:] for s in seconds), strict=True)]
    pairs = list(zip(*outputs, strict=True))
    same = sum(torch.equal(a["tokens"], b["tokens"]) for a, b in pairs)
    apart = max(abs(a["score"] - b["score"]).item() for a, b in pairs)
    return ratios, len(pairs) / statistics.median(seconds[0][1:]), same, len(pairs), apart


def main() -> None:
    """Print a row for each beam and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the data-bin that the checkpoint was trained on")
    parser.add_argument("--checkpoint", required=True, help="a checkpoint of transformer_bbpe_ctx")
    parser.add_argument("--gen-subset", default="test", help="what to translate (default: test)")
    parser.add_argument("--beam", type=int, nargs="+", default=[5, 1], help="beam sizes (default: 5 1)")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[1, 32, 128], help="(default: 1 32 128)")
    parser.add_argument("--sentences", type=int, default=256, help="sentences a round, 16 at batch size 1")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds after one that warms up (default: 5)")
    args = parser.parse_args()
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
        utils.split_paths(args.checkpoint), arg_overrides={"data": args.data}
    )
    models = [model.eval(), with_fairseqs_decoder(model)]
    for each in models:
        each.requires_grad_(False)
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}\n")
    print("| beam | batch | sentences/s | times fairseq's (min to max) | identical | scores apart |")
    print("|---|---|---|---|---|---|")
    for beam in args.beam:
        for size in args.batch_size:
            count = 16 if size == 1 else max(1, args.sentences // size)
            samples = batches(task, args.gen_subset, size, count)
            ratios, speed, same, total, apart = measure(models, task.target_dictionary, samples, beam, args.rounds)
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {beam} | {size} | {speed:.1f} | {spread} | {same}/{total} | {apart:.1e} |", flush=True)


if __name__ == "__main__":
    main()
