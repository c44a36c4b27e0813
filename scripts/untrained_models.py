"""Untrained models of one size over the same characters, and the clock for them: what the benchmarks share."""

import time
from argparse import Namespace
from types import SimpleNamespace

import torch
from fairseq.data import Dictionary
from fairseq.dataclass.utils import merge_with_parent
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, MODEL_DATACLASS_REGISTRY
from omegaconf import OmegaConf

import fairseq_bbpe.plugin  # noqa: F401  (registers bytenet)

SYMBOLS = 140  # "about 140 characters in each of the languages" (Section 6)


def sync() -> None:
    """Wait for an accelerator, so that the clock counts its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def a_task() -> SimpleNamespace:
    """A task of characters, without data."""
    characters = Dictionary()
    for number in range(SYMBOLS):
        characters.add_symbol(chr(0x100 + number))
    cfg = SimpleNamespace(left_pad_source=False, left_pad_target=False)
    return SimpleNamespace(cfg=cfg, source_dictionary=characters, target_dictionary=characters)


def ours(arch: str, **options):
    """One of the ByteNets."""
    config = merge_with_parent(MODEL_DATACLASS_REGISTRY[arch](), OmegaConf.create({"_name": arch, **options}))
    return ARCH_MODEL_REGISTRY[arch].build_model(config, a_task())


def bytenet(channels: int, arch: str = "bytenet_v2", **options):
    """The second version of the paper, or another ByteNet; 15 blocks where a network is convolutional."""
    return ours(arch, channels=channels, source_sets=3, target_sets=3, **options)


def fairseqs(arch: str, **options):
    """One of fairseq's own architectures."""
    args = Namespace(arch=arch, max_source_positions=4096, max_target_positions=4096, **options)
    args.left_pad_source = args.left_pad_target = False
    ARCH_CONFIG_REGISTRY[arch](args)
    return ARCH_MODEL_REGISTRY[arch].build_model(args, a_task())


def transformer(width: int):
    """T_base's shape at another width, 6 + 6 layers, 8 heads."""
    width = max(8, width // 8 * 8)
    sizes = {f"{side}_embed_dim": width for side in ("encoder", "decoder")}
    sizes |= {f"{side}_ffn_embed_dim": 4 * width for side in ("encoder", "decoder")}
    return fairseqs("transformer", encoder_attention_heads=8, decoder_attention_heads=8, **sizes)


def fconv(width: int):
    """fairseq's convolutional model, 15 + 15 layers of kernel 3, attention in every target layer."""
    layers = f"[({width}, 3)] * 15"
    sizes = {f"{side}_embed_dim": width for side in ("encoder", "decoder")}
    return fairseqs("fconv", encoder_layers=layers, decoder_layers=layers, decoder_out_embed_dim=width, **sizes)


def lstm(width: int, attention: bool = True):
    """fairseq's RNN encoder-decoder, 2 + 2 layers, with or without attention."""
    sizes = {"encoder_embed_dim": width, "decoder_embed_dim": width, "decoder_out_embed_dim": width}
    layers = {"encoder_layers": 2, "decoder_layers": 2}
    attends = "1" if attention else "0"
    return fairseqs("lstm", decoder_attention=attends, criterion="", **sizes, **layers)


def parameters(model) -> int:
    """How many numbers the model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def of_size(build, wanted: int):
    """The widest model with at most `wanted` parameters."""
    low, high = 8, 16
    while parameters(build(high)) <= wanted:
        low, high = high, 2 * high
    while high - low > 1:
        width = (low + high) // 2
        low, high = (width, high) if parameters(build(width)) <= wanted else (low, width)
    return build(low)


def a_pair(model, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random source (1, length), its length (1,), and as many target symbols as there will be, all the first one."""
    device = next(model.parameters()).device
    source = torch.randint(4, 4 + SYMBOLS, (1, length), device=device)
    return source, torch.tensor([length], device=device), torch.full((1, length + 1), 2, device=device)


@torch.no_grad()
def forward(model, length: int, clock=time.perf_counter) -> float:
    """Seconds for all the predictions of one sentence whose target is given, as in training."""
    source, lengths, tokens = a_pair(model, length)
    sync()
    start = clock()
    model(source, lengths, tokens[:, :length])
    sync()
    return clock() - start


@torch.no_grad()
def generate(model, length: int, incremental: bool = True, clock=time.perf_counter) -> list[float]:
    """Seconds after which each of `length` symbols was there; the source is as long, and its encoding counts."""
    source, lengths, tokens = a_pair(model, length)
    state = {} if incremental else None
    sync()
    start = clock()
    encoded = model.encoder(source, lengths)
    times = []
    for step in range(length):
        logits = model.decoder(tokens[:, : step + 1], encoded, incremental_state=state)[0]
        tokens[:, step + 1] = logits[:, -1, 4:].argmax(-1) + 4  # never the end
        sync()
        times.append(clock() - start)
    return times
