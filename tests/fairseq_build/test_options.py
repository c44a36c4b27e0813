"""What a command line says is what fairseq's configuration holds, also where it is what would stand there anyway."""

import ast
from argparse import Namespace
from dataclasses import fields, is_dataclass
from enum import Enum

import pytest
from fairseq import options
from fairseq.dataclass.configs import FairseqConfig
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY
from omegaconf import DictConfig, OmegaConf

import fairseq_bbpe.plugin  # noqa: F401

TRAINING, GENERATION = options.get_training_parser, options.get_generation_parser
BPE = "--bpe bbpe --bbpe-model m"
SCHEDULE = "--lr-scheduler inverse_sqrt --warmup-updates 7 --adam-betas (0.9,0.98)"
COMMANDS = [
    (TRAINING, "--arch transformer_bbpe_ctx_tiny --task translation_bbpe --optimizer adam --lr 0.001,0.002 --bf16"),
    (
        TRAINING,
        f"--arch transformer_bbpe_ctx --optimizer adam {SCHEDULE} --criterion label_smoothed_cross_entropy_blocks",
    ),
    (TRAINING, f"--arch transformer_lm --task language_modeling --optimizer nag --ddp-backend no_c10d {BPE}"),
    (TRAINING, "--arch transformer_iwslt_de_en --dropout 0 --encoder-layers 6 --no-epoch-checkpoints"),
    (GENERATION, f"--path x.pt --task translation_bbpe --beam 5 --lenpen 1 --sampling --scoring sacrebleu {BPE}"),
    (GENERATION, "--path x.pt --task translation --beam 3 --unkpen 0 --quiet --scoring bleu"),
]


def dataclasses_of(args: Namespace) -> dict:
    found = {each.name: each.type for each in fields(FairseqConfig) if is_dataclass(each.type)}
    found["task"] = TASK_DATACLASS_REGISTRY[args.task]
    if hasattr(args, "arch"):
        found["model"] = ARCH_MODEL_REGISTRY[args.arch].__dataclass
    for name, registry in REGISTRIES.items():
        if getattr(args, name, None) in registry["dataclass_registry"]:
            found[name] = registry["dataclass_registry"][getattr(args, name)]
    return {name: each for name, each in found.items() if each is not None}


def plain(value):
    """Without the forms that a command line and a configuration give the same value."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, DictConfig) or OmegaConf.is_list(value):
        return plain(OmegaConf.to_container(value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, str):
        try:
            return plain(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            return value
    return value


@pytest.mark.parametrize(("parser", "line"), COMMANDS)
def test_every_option_has_its_value(parser, line):
    args = options.parse_args_and_arch(parser(), ["DATA", *line.split()])
    config = convert_namespace_to_omegaconf(args)
    compared = 0
    for section, of_section in dataclasses_of(args).items():
        for name in of_section.__dataclass_fields__:
            if hasattr(args, name) and not name.startswith("_") and not is_dataclass(getattr(args, name)):
                assert plain(config[section][name]) == plain(getattr(args, name)), (section, name)
                compared += 1
    assert compared > 150
