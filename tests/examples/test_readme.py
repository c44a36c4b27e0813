"""The commands and programs of README.md and of docs/ run as they stand, in their order, in a copy of the project."""

import os
import re
import shutil
import subprocess

from conftest import BIN, ROOT, environment

BLOCK = re.compile(r"(<!-- not run by the tests.*?-->\n)?^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


# In this order, for each goes on from the README's commands; what the other pages of docs/ show needs more than a CPU.
PAGES = ("README.md", "docs/vocabularies.md", "docs/training.md")


def test_the_readme_and_the_docs_run(tmp_path):
    blocks = [block for page in PAGES for block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]
    assert {language for _, language, _ in blocks} == {"bash", "python"}
    for folder in ("fairseq_bbpe", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shell = {**environment(threads=2), "PATH": f"{BIN}:{os.environ['PATH']}"}
    ran = 0
    for exempt, language, code in blocks:
        if exempt:
            continue
        command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else ["python", "-c", code]
        finished = subprocess.run(command, cwd=tmp_path, env=shell, capture_output=True, text=True)
        assert finished.returncode == 0, f"{code}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
        ran += 1
    assert ran >= 6
    bleu = (tmp_path / "test.out").read_text(encoding="utf-8")
    assert sum(line.startswith("D-") for line in bleu.splitlines()) == 30
