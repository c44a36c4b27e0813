"""fairseq-bbpe: byte-level subwords and ByteNet for fairseq."""

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
    "download": ["mtdata>=0.5.1"],
    "test": ["hypothesis>=6", "pytest>=8", "pytest-xdist>=3.5", "ruff>=0.9"],
    "bench": ["tokenizers>=0.20"],
}

setup(
    name="fairseq-bbpe",
    version=value("__version__", "fairseq_bbpe/__init__.py"),
    description="Train and run translation models on bytes: byte-level BPE and ByteNet as a fairseq plugin",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["fairseq_bbpe", "fairseq_bbpe.*"]),
    install_requires=[
        # Not on the index: `pip install ./scripts/fairseq` builds it. The upper end of torch is the newest tested one.
        f"fairseq==0.12.2+{value('LABEL', 'scripts/fairseq/backend.py')}",
        "torch>=2.6,<2.14",
        "numpy>=2,<3",
        "sentencepiece>=0.2",
        "sacrebleu>=2.4",
        "tqdm",
    ],
    extras_require={**EXTRAS, "all": [need for needs in EXTRAS.values() for need in needs]},
    entry_points={"console_scripts": ["fairseq-bbpe = fairseq_bbpe.cli:main"]},
)
