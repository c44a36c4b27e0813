"""Translation on bytes, as a fairseq plugin: ``fairseq-train --user-dir fairseq_bbpe``.

The house, and which way its imports point:

- ``text``      bytes, pieces, recovery; knows neither torch nor fairseq   <- ``bpe``, ``cli``, ``analysis``
- ``bpe``       ``text`` in fairseq's string protocol: ``--bpe bbpe``, ``--eval-bleu-detok bbpe_recovery``
- ``modules``   the papers' layers in torch; know nothing of fairseq       <- ``models``
- ``models``    what ``--arch`` names      ``data``, ``search``  <- ``tasks``, what ``--task`` names
- ``analysis``  tables and figures         ``cli``  the command ``fairseq-bbpe``
- ``plugin``    registers it all with fairseq
"""

import importlib
import sys

__version__ = "0.1.0"

# The models that a program may import by name; naming one registers everything with fairseq.
_MODELS = {
    "TransformerBBPE": "fairseq_bbpe.models.transformer_bbpe_ctx",
    "Bytenet": "fairseq_bbpe.models.bytenet",
}

# `--user-dir` imports this package from within fairseq. Without fairseq the text room serves alone, and starts at once.
if "fairseq" in sys.modules:
    importlib.import_module("fairseq_bbpe.plugin")


def __getattr__(name: str):
    if name not in _MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("fairseq_bbpe.plugin")
    return getattr(importlib.import_module(_MODELS[name]), name)
