"""The commands and programs of README.md and of docs/ run as they stand, in their order, in a copy of the project."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import BIN, ROOT, environment, warm_environment

# What a page trains long enough to learn something is trained long enough here to be used.
UPDATES, FEW = "--max-update 150", "--max-update 20"
BLOCK = re.compile(r"(<!-- not run by the tests.*?-->\n)?^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """(language, code) of each block of a page that is not exempt."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [(language, code.replace(UPDATES, FEW)) for exempt, language, code in found if not exempt]


def run(blocks, folder, shell):
    for language, code in blocks:
        command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else ["python", "-c", code]
        finished = subprocess.run(command, cwd=folder, env=shell, capture_output=True, text=True)
        assert finished.returncode == 0, f"{code}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"


def copy(folder):
    for part in ("fairseq_bbpe", "examples"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The project with what the README's ten lines make before they train: the pages of docs/ go on from there."""
    project = copy(tmp_path_factory.mktemp("project"))
    _, ten_lines = blocks("README.md")[0]
    before_training, _, training = ten_lines.partition("fairseq-train")
    assert "fairseq-bbpe prepare" in before_training
    assert FEW in training
    run([("bash", before_training)], project, warm_environment())
    return project


def test_the_readme_runs(tmp_path):
    project = copy(tmp_path)
    readme = blocks("README.md")
    assert [language for language, _ in readme] == ["bash", "python"]
    run(readme, project, {**environment(threads=2), "PATH": f"{BIN}:{os.environ['PATH']}"})
    translations = (project / "test.en").read_text(encoding="utf-8")
    assert len(translations.splitlines()) == 30


def test_the_page_on_vocabularies_runs(prepared):
    page = blocks("docs/vocabularies.md")
    assert len(page) >= 4
    run(page, prepared, warm_environment())


def test_the_page_on_bytenet_runs(prepared):
    run(blocks("docs/bytenet.md"), prepared, warm_environment())
    assert (prepared / "bytenet.out").read_text(encoding="utf-8").count("\nD-") == 30
    assert len((prepared / "bits.tsv").read_text().splitlines()) > 1000


def test_the_page_on_training_runs(prepared):
    page = blocks("docs/training.md")
    assert {language for language, _ in page} == {"bash", "python"}
    run(page, prepared, warm_environment())
    written = (prepared / "test.out").read_text(encoding="utf-8")
    assert sum(line.startswith("D-") for line in written.splitlines()) == 30
