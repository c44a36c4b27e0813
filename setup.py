"""fairseq-bbpe: byte-level subwords and ByteNet for fairseq."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="fairseq-bbpe",
    version=re.search(r'__version__ = "(.+)"', (HERE / "fairseq_bbpe/__init__.py").read_text(encoding="utf-8"))[1],
    description="Train and run translation models on bytes: byte-level BPE and ByteNet as a fairseq plugin",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["fairseq_bbpe", "fairseq_bbpe.*"]),
    install_requires=[
        # Not on the index: `pip install ./scripts/fairseq` builds it. The upper end of torch is the newest tested one.
        "fairseq==0.12.2+bbpe.1",
        "torch>=2.6,<2.14",
        "numpy>=2,<3",
        "sentencepiece>=0.2",
        "sacrebleu>=2.4",
        "tqdm",
    ],
    extras_require={
        "examples": ["babel>=2.14"],
        "analysis": ["matplotlib>=3.8"],
        "dev": ["babel>=2.14", "hypothesis>=6", "matplotlib>=3.8", "pytest>=8", "ruff>=0.9"],
        "bench": ["tokenizers>=0.20"],
    },
    entry_points={"console_scripts": ["fairseq-bbpe = fairseq_bbpe.cli:main"]},
)
