"""A build backend (PEP 517) that makes an installable wheel of the official fairseq 0.12.2.

pip downloads the source distribution from its own package index, checks its sha256 and builds it; this file then
makes the edits of edits.py in that wheel, adds the files below added/, and writes metadata that a modern pip accepts.
`pip install ./scripts/fairseq` does it all; `pip wheel --no-deps ./scripts/fairseq` leaves the wheel.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edit import Edit, EditError
from edits import EDITS, REQUIREMENTS

UPSTREAM = "0.12.2"
# The label of our edits; a test holds that it is counted up with them, so that an installed fairseq shows which it has.
LABEL = "bbpe.13"
VERSION = f"{UPSTREAM}+{LABEL}"
SHA256 = "34f1b18426bf3844714534162f065ab733e049597476daa35fffb4d06a92b524"
HERE = Path(__file__).resolve().parent


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None) -> str:
    """Build the edited wheel into `wheel_directory` and return its file name (PEP 517)."""
    with tempfile.TemporaryDirectory(prefix="fairseq-") as scratch:
        upstream = _build_upstream(Path(scratch))
        _run("wheel", "unpack", "--dest", scratch, str(upstream))
        root = Path(scratch) / f"fairseq-{UPSTREAM}"
        edit_package(root)
        edited = Path(scratch) / "edited"
        edited.mkdir()
        _run("wheel", "pack", "--dest-dir", str(edited), str(root))
        (wheel,) = edited.glob("*.whl")
        shutil.copy(wheel, wheel_directory)
        return wheel.name


def edit_package(root: Path) -> None:
    """Turn the unpacked upstream wheel below `root` into ours; raises `EditError` where a text is not as expected."""
    for edit in EDITS:
        edit.apply(root)
    Edit("fairseq/version.py", r"\{version\}", VERSION, 1, "the version label").apply(root)
    shutil.copytree(HERE / "added", root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _edit_metadata(root)


def _edit_metadata(root: Path) -> None:
    info = (root / f"fairseq-{UPSTREAM}.dist-info").rename(root / f"fairseq-{VERSION}.dist-info")
    metadata = info / "METADATA"
    head, separator, description = metadata.read_text(encoding="utf-8").partition("\n\n")
    version = (rf"^Version: {re.escape(UPSTREAM)}$", f"Version: {VERSION}", 1)
    for old, new, count in [version, *REQUIREMENTS]:
        head, found = re.subn(old, new, head, flags=re.MULTILINE)
        if found != count:
            raise EditError(f"{metadata.name}: found {old!r} {found} times, expected {count}")
    metadata.write_text(head + separator + description, encoding="utf-8")


def _build_upstream(scratch: Path) -> Path:
    """The official wheel, built by pip from the source distribution with the pinned sha256.

    In isolation, that is: with torch in sight it would also compile a file that the source distribution lacks.
    """
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"fairseq=={UPSTREAM} --hash=sha256:{SHA256}\n", encoding="utf-8")
    out = scratch / "upstream"
    # --no-cache-dir: the wheel must come from the file with that hash, not from an earlier build of another.
    options = ["--no-deps", "--no-binary", "fairseq", "--require-hashes", "--no-cache-dir", "--quiet"]
    _run("pip", "wheel", *options, "--wheel-dir", str(out), "--requirement", str(requirement))
    (wheel,) = out.glob("fairseq-*.whl")
    return wheel


def _run(module: str, *arguments: str) -> None:
    # The pip that called this backend names it in the environment; the pip called here must not take it for fairseq's.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("_PYPROJECT_", "PEP517_"))}
    environment = {**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, env=environment)
