"""The edits that make fairseq 0.12.2 whole on Python 3.10-3.13, torch >= 2.6, NumPy 2, hydra 1.3 and omegaconf 2.3.

Each edit names its file, what it changes and why, and how often the text to change must be found: if the
file does not match, the build stops. Nothing else of fairseq is touched; the files below added/ join it.
"""

from edits_distributed import DISTRIBUTED_EDITS
from edits_models import MODEL_EDITS
from edits_training import TRAINING_EDITS
from edits_versions import REQUIREMENTS, VERSION_EDITS

EDITS = [*VERSION_EDITS, *TRAINING_EDITS, *DISTRIBUTED_EDITS, *MODEL_EDITS]

__all__ = ["EDITS", "REQUIREMENTS"]
