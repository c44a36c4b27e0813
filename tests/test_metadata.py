"""What the installed package says of itself agrees with the files that say it."""

import importlib.metadata
import importlib.resources

import yaml
from conftest import ROOT

import fairseq_bbpe

METADATA = importlib.metadata.metadata("fairseq-bbpe")


def test_version_and_citation_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert METADATA["Version"] == fairseq_bbpe.__version__ == citation["version"]
    released = f"## {citation['version']} ({citation['date-released']})"
    assert released in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()


def test_the_package_names_its_authors_its_licence_and_its_home():
    assert METADATA["Author"] == "The fairseq-bbpe authors"
    assert METADATA["License-Expression"] == "MIT"
    urls = dict(line.split(", ") for line in METADATA.get_all("Project-URL"))
    assert urls["Paper: BBPE"].endswith("1909.03341")
    assert "github.com" in urls["Homepage"]
    assert METADATA["Description-Content-Type"] == "text/markdown"


def test_setup_py_adds_what_it_needs():
    requirements = METADATA.get_all("Requires-Dist")
    label = importlib.metadata.version("fairseq")
    assert f"fairseq=={label}" in requirements
    assert any("extra == 'test'" in line or 'extra == "test"' in line for line in requirements)
    scripts = importlib.metadata.entry_points(group="console_scripts", name="fairseq-bbpe")
    assert [script.value for script in scripts] == ["fairseq_bbpe.cli:main"]


def test_the_package_ships_its_types():
    assert (importlib.resources.files("fairseq_bbpe") / "py.typed").is_file()
