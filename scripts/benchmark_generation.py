#!/usr/bin/env python
"""Generation speed: sentences/s of this project's decoder and beam search over fairseq's own, with one model's weights.

Or, with --valid-utf8, of the search that keeps to valid UTF-8 over the same search without that rule.

Both generate the same batches in turn, several rounds, in one process; what counts is the ratio, for a machine's speed
drifts. One thread is timed by the processor's time, which other processes' work does not count in. Prints a Markdown
table, with how many best hypotheses are identical and how far their scores are apart.
"""

import argparse
import copy
import statistics
import time
from argparse import Namespace

import torch
from fairseq import checkpoint_utils, utils
from fairseq.models.transformer import TransformerDecoderBase
from fairseq.sequence_generator import SequenceGenerator

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.search.beam_search import BeamSearchGenerator

LENGTHS = {"max_len_a": 1.2, "max_len_b": 10}


def with_fairseqs_decoder(model):
    """The same model and weights, decoding with fairseq's layers."""
    theirs = copy.deepcopy(model)
    decoder = model.decoder
    theirs.decoder = TransformerDecoderBase(model.cfg, decoder.dictionary, theirs.encoder.embed_tokens)
    theirs.decoder.load_state_dict(decoder.state_dict())
    theirs.encoder.shares_source = False
    theirs.requires_grad_(False)
    for layer in theirs.decoder.layers:
        layer.make_generation_fast_(need_attn=False)  # as `fairseq-generate` without --print-alignment
    return theirs.eval()


def batches(task, split: str, size: int, count: int):
    """At most `count` batches of `size` sentences of like length, as `fairseq-generate` makes them, of all lengths."""
    task.load_dataset(split)
    iterator = task.get_batch_iterator(task.dataset(split), max_sentences=size, num_workers=0)
    every = list(iterator.next_epoch_itr(shuffle=False))  # by length: the first ones are the shortest of all
    return [every[i * len(every) // count] for i in range(count)] if count < len(every) else every


def generators_of(model, task, beam: int, valid_utf8: bool) -> list:
    """The two to compare, ours first: generators, each with its model."""
    if valid_utf8:
        options = {"beam": beam, **LENGTHS}
        return [(task.build_generator([model], Namespace(**options, valid_utf8=rule)), model) for rule in ("on", "off")]
    models = [model, with_fairseqs_decoder(model)]
    model.decoder.make_generation_fast_()
    kinds = (BeamSearchGenerator, SequenceGenerator)
    return [
        (kind([each], task.target_dictionary, beam_size=beam, **LENGTHS), each)
        for kind, each in zip(kinds, models, strict=True)
    ]


def measure(generators, samples, rounds: int):
    """Ratios of speed, our sentences/s, identical best hypotheses of how many, and the largest distance of scores."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds, outputs = [[], []], [[], []]
    for turn in range(rounds + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            generator, model = generators[which]
            start = clock()
            outputs[which] = [h[0] for s in samples for h in generator.generate([model], s)]
            seconds[which].append(clock() - start)
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
    parser.add_argument("--valid-utf8", action="store_true", help="what the rule of valid UTF-8 costs instead")
    args = parser.parse_args()
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
        utils.split_paths(args.checkpoint), arg_overrides={"data": args.data}
    )
    model.eval().requires_grad_(False)
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}\n")
    other = "the speed without the rule" if args.valid_utf8 else "fairseq's"
    print(f"| beam | batch | sentences/s | times {other} (min to max) | identical | scores apart |")
    print("|---|---|---|---|---|---|")
    for beam in args.beam:
        for size in args.batch_size:
            count = 16 if size == 1 else max(1, args.sentences // size)
            samples = batches(task, args.gen_subset, size, count)
            generators = generators_of(model, task, beam, args.valid_utf8)
            ratios, speed, same, total, apart = measure(generators, samples, args.rounds)
            spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            print(f"| {beam} | {size} | {speed:.1f} | {spread} | {same}/{total} | {apart:.1e} |", flush=True)


if __name__ == "__main__":
    main()
