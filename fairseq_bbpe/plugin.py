"""Registers the plugin with fairseq, and sees to it that fairseq really holds what is ours."""

import importlib
import pkgutil
import sys

import fairseq  # noqa: F401  (whole, before anything registers with a part of it)
import torch
from fairseq.criterions import CRITERION_REGISTRY
from fairseq.data.encoders import BPE_REGISTRY, TOKENIZER_REGISTRY
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_REGISTRY
from fairseq.tasks import TASK_REGISTRY

from fairseq_bbpe import bpe, criterions, models, tasks
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.memory import keep_freed_memory

REGISTRIES = (
    BPE_REGISTRY,
    TOKENIZER_REGISTRY,
    CRITERION_REGISTRY,
    MODEL_REGISTRY,
    ARCH_MODEL_REGISTRY,
    TASK_REGISTRY,
)


def _import_all(package) -> list:
    return [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]


def _assert_registered(module) -> None:
    """fairseq quietly keeps another plugin's class under a name that both want: then ours would never run."""
    for value in vars(module).values():
        ours = isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "registered_as")
        assert not ours or any(registry.get(value.registered_as) is value for registry in REGISTRIES), (
            f"another plugin has registered {value.registered_as!r} with fairseq; leave one of the two out"
        )


def _show_one_line(kind, error, trace, *, otherwise=sys.excepthook) -> None:
    """A user's mistake is told in one line; everything else keeps its traceback."""
    if issubclass(kind, UserError):
        print(f"error: {error}", file=sys.stderr)
    else:
        otherwise(kind, error, trace)


for _module in [bpe, *_import_all(criterions), *_import_all(models), *_import_all(tasks)]:
    _assert_registered(_module)
sys.excepthook = _show_one_line
if not torch.cuda.is_available():
    keep_freed_memory()
