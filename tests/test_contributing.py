"""Every file that CONTRIBUTING.md points to is there."""

import re

from conftest import ROOT


def test_every_path_of_the_map_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:fairseq_bbpe|scripts|tests|examples|docs)/[^`\s]*)`", text))
    assert len(paths) > 15
    missing = {path for path in paths if not list(ROOT.glob(path))}
    assert not missing
