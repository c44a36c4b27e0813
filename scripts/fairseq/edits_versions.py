"""Edits for the versions of today: Python >= 3.11, hydra 1.3, NumPy 2, torch >= 2.6; and what the wheel requires."""

from edit import Edit

MUTABLE_DEFAULT = "Python >= 3.11 refuses a dataclass instance as a field's default; a factory makes a fresh one"

VERSION_EDITS = [
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
    Edit(
        "fairseq/models/wav2vec/wav2vec2_asr.py",
        r're\.compile\("encoder\.layers\.\\d\."\)',
        r"""re.compile(r"encoder.layers.\\d.")""",
        1,
        "Python >= 3.12 warns of an escape that is none when it compiles the file, which importing fairseq does",
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
    Edit(
        "fairseq/dataclass/utils.py",
        r"^        if val is None:\n(?= +overrides\.append)",
        "        default = get_default(v)\n"
        "        if type(val) is type(default) and val == default and not isinstance(val, FairseqDataclass):\n"
        "            continue  # as it is without an override\n"
        r"\g<0>",
        1,
        "hydra parsed some 250 overrides a command, most of them with the default that stood there: half a second",
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
    Edit(
        "fairseq/data/data_utils.py",
        r'interpolation="lower",$',
        'method="lower",',
        1,
        "np.percentile's argument under its name since NumPy 1.22; NumPy 2.4 has dropped the old one",
    ),
    # --- torch >= 2.6 -----------------------------------------------------------------------------------------------
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
    # --- the version says that it is edited -------------------------------------------------------------------------
    Edit("fairseq/version.py", r'"0\.12\.2"', '"{version}"', 1, "a local version label shows that it is edited"),
]


# What the wheel says of itself: (regular expression, replacement, times found).
REQUIREMENTS = [
    (r"^Requires-Dist: torch$", "Requires-Dist: torch<2.14,>=2.6", 1),
    (r'^Requires-Dist: numpy; python_version >= "3\.7"$', "Requires-Dist: numpy<3,>=2", 1),
    (r"^Requires-Dist: hydra-core<1\.1,>=1\.0\.7$", "Requires-Dist: hydra-core<1.4,>=1.3", 1),
    (r"^Requires-Dist: omegaconf<2\.1$", "Requires-Dist: omegaconf<2.4,>=2.3", 1),
    (r"^Requires-Dist: bitarray$", "Requires-Dist: bitarray>=2.9", 1),
    # Only speech needs torchaudio; Cython and cffi served the build; the last two are for Python < 3.7.
    (r"^Requires-Dist: (torchaudio>=0\.8\.0|cython|cffi)\n", "", 3),
    (r'^Requires-Dist: (dataclasses|numpy<1\.20\.0); python_version < "3\.7"\n', "", 2),
    (r"^Classifier: Programming Language :: Python :: 3\.[678]\n", "", 3),
    (r"^Summary: .*$", r"\g<0>\nRequires-Python: <3.14,>=3.10", 1),
]
