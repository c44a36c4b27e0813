"""The edits that make fairseq 0.12.2 whole on Python 3.10-3.13, torch >= 2.6, NumPy 2, hydra 1.3 and omegaconf 2.3.

Each edit names its file, what it changes and why, and how often the text to change must be found: if the
file does not match, the build stops. Nothing else of fairseq is touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


class EditError(RuntimeError):
    """The file to edit is missing, or does not hold the text to edit exactly as often as expected."""


@dataclass(frozen=True)
class Edit:
    """Replace the regular expression `old` by `new` in `file`, exactly `count` times."""

    file: str
    old: str
    new: str
    count: int
    why: str

    def apply(self, root: Path) -> None:
        """Edit the file below `root`, or raise `EditError`."""
        path = root / self.file
        if not path.is_file():
            raise EditError(f"{self.file}: not in the fairseq that was downloaded; wanted for: {self.why}")
        text, found = re.subn(self.old, self.new, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found != self.count:
            raise EditError(f"{self.file}: found {self.old!r} {found} times, expected {self.count}; for: {self.why}")
        path.write_text(text, encoding="utf-8")


MUTABLE_DEFAULT = "Python >= 3.11 refuses a dataclass instance as a field's default; a factory makes a fresh one"

EDITS = [
    # --- Python >= 3.11 ---------------------------------------------------------------------------------------------
    Edit(
        "fairseq/dataclass/configs.py",
        r"^    (\w+): (\w+Config) = \2\(\)$",
        r"    \1: \2 = field(default_factory=\2)",
        11,
        MUTABLE_DEFAULT,
    ),
    Edit(
        "fairseq/models/transformer/transformer_config.py",
        r"^    (\w+): (\w+Config) = \2\(\)$",
        r"    \1: \2 = field(default_factory=\2)",
        2,
        MUTABLE_DEFAULT,
    ),
    Edit(
        "fairseq/models/transformer/transformer_config.py",
        r"field\(default=QuantNoiseConfig\(\)\)",
        "field(default_factory=QuantNoiseConfig)",
        1,
        MUTABLE_DEFAULT,
    ),
    Edit(
        "fairseq/dataclass/initialize.py",
        r"v = FairseqConfig\.__dataclass_fields__\[k\]\.default$",
        "v = getattr(FairseqConfig(), k)",
        1,
        "hydra's ConfigStore wants the default itself, and a field with a factory has none in `.default`",
    ),
    # --- hydra-core 1.3 ---------------------------------------------------------------------------------------------
    Edit(
        "fairseq/dataclass/utils.py",
        r"^from hydra\.experimental import compose, initialize$",
        r"from hydra import compose, initialize",
        1,
        "both left hydra.experimental, whose copies warn at every start",
    ),
    Edit(
        "fairseq/dataclass/utils.py",
        r"^logger = logging\.getLogger\(__name__\)$",
        r"\g<0>\n\n"
        "# hydra-core 1.3 behaves as 1.1 where asked to, which fairseq needs, and says each time that 1.4 will not.\n"
        "import warnings\n\n"
        'warnings.filterwarnings("ignore", message="[^a-z]*(version_base=|config. is validated against)")',
        1,
        "the wheel asks for hydra-core < 1.4, so the warning tells its reader nothing",
    ),
    Edit(
        "fairseq/dataclass/utils.py",
        r"with initialize\(config_path=config_path\):",
        'with initialize(config_path=config_path, version_base="1.1"):',
        1,
        "a version_base must be named; from 1.2 on hydra no longer matches fairseq's schema with its config.yaml",
    ),
    Edit(
        "fairseq/dataclass/utils.py",
        r'compose\("config", overrides=overrides, strict=False\)',
        'compose("config", overrides=overrides)',
        1,
        "hydra 1.3 has deprecated the flag and warns at every start",
    ),
    Edit("fairseq/config/config.yaml", r"\A# @package _group_\n", "", 1, "a header that hydra 1.3 warns of"),
    Edit(
        "fairseq_cli/hydra_train.py",
        r'@hydra\.main\(config_path=(.*), config_name="config"\)',
        r'@hydra.main(config_path=\1, config_name="config", version_base="1.1")',
        1,
        "a version_base must be named, as above",
    ),
    # --- NumPy 2 ----------------------------------------------------------------------------------------------------
    Edit("fairseq/data/data_utils.py", r"\bnp\.int\b", "int", 1, "the alias np.int is gone"),
    Edit("fairseq/modules/dynamic_crf_layer.py", r"\bnp\.float\(", "float(", 1, "the alias np.float is gone"),
    Edit("fairseq/data/token_block_dataset.py", r"\bnp\.compat\.long\b", "int", 1, "the module np.compat is gone"),
    Edit("fairseq/data/language_pair_dataset.py", r"\bnp\.compat\.long\b", "int", 1, "the module np.compat is gone"),
    # --- torch >= 2.6 -----------------------------------------------------------------------------------------------
    Edit(
        "fairseq/modules/transformer_layer.py",
        r"^(\s+)encoder_padding_mask if encoder_padding_mask is not None else attn_mask,\n(\s+)\)$",
        r"\1encoder_padding_mask if encoder_padding_mask is not None else attn_mask,"
        r"\n\1None if encoder_padding_mask is None and attn_mask is None else int(encoder_padding_mask is not None),"
        r"\n\2)",
        1,
        "the fused encoder layer wants to be told what its mask is: 1 a padding mask, 0 an attention mask",
    ),
    Edit(
        "fairseq/checkpoint_utils.py",
        r"^from fairseq\.file_io import PathManager$",
        "from fairseq.checkpoint_files import copy_checkpoint, load_checkpoint_as_data\n\\g<0>",
        1,
        "checkpoints are read and copied by checkpoint_files.py, the one file that this build adds",
    ),
    Edit(
        "fairseq/checkpoint_utils.py",
        r'state = torch\.load\(f, map_location=torch\.device\("cpu"\)\)',
        'state = load_checkpoint_as_data(f, map_location=torch.device("cpu"))',
        1,
        "torch >= 2.6 refuses Namespace and NumPy numbers, which every checkpoint of fairseq holds",
    ),
    Edit(
        "fairseq/checkpoint_utils.py",
        r"new_state = torch\.load\(",
        "new_state = load_checkpoint_as_data(",
        1,
        "as above, where an average of past weights (EMA) is read",
    ),
    Edit(
        "fairseq/checkpoint_utils.py",
        r"assert PathManager\.copy\(\s+checkpoints\[0\], cp, overwrite=True\s+\), f\".*\"$",
        "copy_checkpoint(checkpoints[0], cp)",
        1,
        "a training killed during the copy left half a checkpoint_last.pt, and could not be resumed",
    ),
    Edit(
        "fairseq/distributed/utils.py",
        r'obj = torch\.load\(buffer, map_location="cpu"\)',
        'obj = torch.load(buffer, map_location="cpu", weights_only=False)',
        1,
        "no file: bytes that rank 0 of this very program has just sent, and that hold fairseq's own classes",
    ),
    Edit(
        "fairseq/tasks/fairseq_task.py",
        r"torch\.cuda\.amp\.autocast\(enabled=",
        'torch.amp.autocast("cuda", enabled=',
        1,
        "deprecated under its old name, and warned of in every training",
    ),
    Edit(
        "fairseq/optim/amp_optimizer.py",
        r"torch\.cuda\.amp\.GradScaler\(",
        'torch.amp.GradScaler("cuda", ',
        1,
        "deprecated under its old name",
    ),
    Edit(
        "fairseq/data/iterators.py",
        r"pin_memory=True",
        "pin_memory=torch.cuda.is_available()",
        2,
        "pinned memory serves a GPU; without one torch warns at every epoch",
    ),
    Edit(
        "fairseq/tasks/text_to_speech.py",
        r'^    logger\.info\("Please install tensorboardX: pip install tensorboardX"\)\n',
        "",
        1,
        "only text-to-speech asks for it, yet every command said so at its start",
    ),
    # --- sums that must not drift ------------------------------------------------------------------------------------
    Edit(
        "fairseq_cli/eval_lm.py",
        r"score_sum \+= pos_scores\.sum\(\)\.cpu\(\)",
        "score_sum += pos_scores.double().sum().item()",
        1,
        "summed in 32 bits, a model of uniform output scores 8.0026 bits instead of 8 on five million bytes",
    ),
    # --- the version says that it is edited -------------------------------------------------------------------------
    Edit("fairseq/version.py", r'"0\.12\.2"', '"{version}"', 1, "a local version label shows that it is edited"),
]


# What the wheel says of itself: (regular expression, replacement, times found).
REQUIREMENTS = [
    (r"^Requires-Dist: torch$", "Requires-Dist: torch<2.14,>=2.6", 1),
    (r'^Requires-Dist: numpy; python_version >= "3\.7"$', "Requires-Dist: numpy<3,>=2", 1),
    (r"^Requires-Dist: hydra-core<1\.1,>=1\.0\.7$", "Requires-Dist: hydra-core<1.4,>=1.3", 1),
    (r"^Requires-Dist: omegaconf<2\.1$", "Requires-Dist: omegaconf<2.4,>=2.3", 1),
    # Only speech needs torchaudio; Cython and cffi served the build; the last two are for Python < 3.7.
    (r"^Requires-Dist: (torchaudio>=0\.8\.0|cython|cffi)\n", "", 3),
    (r'^Requires-Dist: (dataclasses|numpy<1\.20\.0); python_version < "3\.7"\n', "", 2),
    (r"^Classifier: Programming Language :: Python :: 3\.[678]\n", "", 3),
    (r"^Summary: .*$", r"\g<0>\nRequires-Python: <3.14,>=3.10", 1),
]
