"""Translation on bytes, as a fairseq plugin: ``fairseq-train --user-dir fairseq_bbpe``.

The packages, and which way their imports point:

- ``text``          bytes, symbols, recovery      <- ``vocabularies``  text -> pieces; neither knows torch or fairseq
- ``corpus``        raw files -> data-bin         ``scoring``  BLEU and chrF of what fairseq-generate wrote
- ``bpe``           vocabularies for fairseq: ``--bpe bbpe``, ``--eval-bleu-detok bbpe_recovery``
- ``modules``       the papers' layers in torch; know nothing of fairseq       <- ``models``
- ``models``        what ``--arch`` names         ``data``, ``search``  <- ``tasks``, what ``--task`` names
- ``analysis``      measurements and plots        ``cli``  the command ``fairseq-bbpe``
- ``plugin``        registers it all with fairseq
"""

import importlib
import sys

__version__ = "0.1.0"

# What a program may import by name without torch and fairseq.
_TEXT = {"Vocabulary": "fairseq_bbpe.vocabularies", "recover": "fairseq_bbpe.text"}

# The models that a program may import by name; naming one registers everything with fairseq.
_MODELS = {
    "TransformerBBPE": "fairseq_bbpe.models.transformer_bbpe_ctx",
    "ByteNet": "fairseq_bbpe.models.bytenet",
}

# `--user-dir` imports this package from within fairseq. Without fairseq the text side works alone.
if "fairseq" in sys.modules:
    importlib.import_module("fairseq_bbpe.plugin")


def __getattr__(name: str):
    if name in _TEXT:
        return getattr(importlib.import_module(_TEXT[name]), name)
    if name not in _MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("fairseq_bbpe.plugin")
    return getattr(importlib.import_module(_MODELS[name]), name)
