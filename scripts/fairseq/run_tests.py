"""Run fairseq's own tests for text, from a checkout of its repository, against the fairseq that is installed here.

    git clone --depth 1 --branch v0.12.2 https://github.com/facebookresearch/fairseq
    python scripts/fairseq/run_tests.py fairseq/tests

Neither a GPU nor the network is used: tests for GPUs, speech and downloads are left out. The tests are copied beside
the examples of the installed fairseq, so that the checkout's own sources are out of reach. Prints how many passed,
failed and were skipped, and exits with 1 if any failed that is neither outdated nor wants a package of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

LEFT_OUT = {
    "gpu": "needs a GPU",
    "speech": "speech",
    "speech_recognition": "speech",
    "test_hf_hub.py": "downloads a model",
    "test_wav2vec.py": "speech",
}
# Files, classes or functions of tests, and why their failure says nothing about the build.
OUTDATED = {"test_dataclass_utils": "gives a dataclass as a default, which Python refuses from 3.11 on"}
WANTED = {"test_iopath": "iopath", "test_file_io_async": "iopath", "test_plasma_utils": "pyarrow"}


def main() -> int:
    """Parse the command line, run the tests and print their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", type=Path, help="the folder tests/ of a checkout of fairseq v0.12.2")
    parser.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="such as -k binaries, after --")
    given = parser.parse_args()
    if not (given.tests / "utils.py").is_file():
        parser.error(f"{given.tests}: not the tests/ folder of a checkout of fairseq: it has no utils.py")
    with tempfile.TemporaryDirectory(prefix="fairseq-tests-") as scratch:
        report = _run(given.tests, Path(scratch), given.arguments)
        if report is None:
            print("error: pytest ended without a report", file=sys.stderr)
            return 2
        return _print(report)


def _run(tests: Path, scratch: Path, arguments: list[str]) -> ET.Element | None:
    shutil.copytree(tests, scratch / "tests", ignore=shutil.ignore_patterns(*LEFT_OUT, "fb_*", "__pycache__"))
    package = importlib.util.find_spec("fairseq")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("error: fairseq is not installed; run: pip install ./scripts/fairseq")
    (scratch / "examples").symlink_to(Path(package.submodule_search_locations[0]) / "examples")
    command = [sys.executable, "-m", "pytest", "tests", "-q", "--junit-xml", "report.xml", "-p", "no:cacheprovider"]
    command.append("--continue-on-collection-errors")  # one file that cannot be imported hides no other
    environment = {**os.environ, "PYTHONPATH": str(scratch), "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([*command, "--rootdir", ".", *arguments], cwd=scratch, env=environment, check=False)
    report = scratch / "report.xml"
    return ET.parse(report).getroot() if report.exists() else None


def _print(report: ET.Element) -> int:
    passed, skipped, failed = 0, 0, []
    for case in report.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('classname')}.{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    explained = [(name, why) for name in failed if (why := _explanation(name))]
    print(f"\n{passed} passed, {len(failed)} failed, {skipped} skipped (left out: {', '.join(sorted(LEFT_OUT))})")
    for name, why in explained:
        print(f"failed, as expected: {name}: {why}")
    unexpected = [name for name in failed if not _explanation(name)]
    for name in unexpected:
        print(f"failed: {name}")
    return 1 if unexpected else 0


def _explanation(name: str) -> str:
    for part in name.split("."):
        if part in OUTDATED:
            return f"outdated: {OUTDATED[part]}"
        if part in WANTED and importlib.util.find_spec(WANTED[part]) is None:
            return f"wants the package {WANTED[part]}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
