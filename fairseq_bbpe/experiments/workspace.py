"""The folder of a run: one --data and one scale, its corpora, and a lock that keeps two runs apart."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import Corpus, Text, becoming, in_data, sample_text
from fairseq_bbpe.experiments.system import Scale


def find_examples() -> Path:
    """The project's examples/: beside the package in a checkout; where it is installed, in the working folder."""
    beside = Path(__file__).resolve().parent.parent.parent / "examples"
    return beside if (beside / "cldr_corpus.py").is_file() else Path.cwd() / "examples"


EXAMPLES = find_examples()
EMBEDDED = "Unicode CLDR"


def read_state(path: Path) -> dict[str, Any]:
    """A state that `write_state` wrote; empty where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise UserError(f"{path}: is no state of a run: remove it") from None


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state whole, or leave what was there."""
    part = path.with_name(f"{path.name}.part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@dataclass
class Workspace:
    """DIR/PAPER/SCALE of --output.

    Attributes:
        data: the folder or file of --data, None for the embedded corpus.
        texts: the corpora that were found, by name.
    """

    root: Path
    scale_name: str
    scale: Scale
    corpora: dict[str, Corpus]
    data: Path | None
    texts: dict[str, Text] = field(default_factory=dict)
    lock: IO[str] | None = None

    @classmethod
    def open(
        cls, output: Path, paper: str, scale_name: str, scale: Scale, corpora: dict[str, Corpus], data: Path | None
    ) -> Workspace:
        """Make or take up the folder; raises `UserError` where it is of other text, or another run's."""
        root = output.resolve() / paper / scale_name
        if set(str(root)) & set(",:"):
            raise UserError(f"--output {output}: fairseq splits paths at commas and colons: give another")
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = open(root / "lock", "a")  # noqa: SIM115  held until this process ends
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"--output {output}: another run is at work in {root}: let it end") from None
        except OSError as error:
            raise UserError(f"--output {output}: {error.strerror}: give a folder that is yours") from None
        found = cls(root, scale_name, scale, corpora, data, lock=lock)
        origin, state = str(data.resolve()) if data else EMBEDDED, root / "data.json"
        made = read_state(state)
        if made.get("data", origin) != origin:
            raise UserError(f"--output {output}: was made from {made['data']}, not from {origin}: give another")
        if made.get("sample", scale.sample) != scale.sample:
            raise UserError(f"--output {output}: has a sample of {made['sample']}, not {scale.sample}: give another")
        write_state(state, {**made, "data": origin, "sample": scale.sample})
        return found

    def holds(self, name: str) -> bool:
        """Whether --data has a corpus, by its folder or by its files; the embedded one has all."""
        if self.data is None:
            return True
        corpus = self.corpora[name]
        return (in_data(self.data, name, self.corpora) / f"train.{corpus.source}").is_file()

    def text(self, name: str) -> Text:
        """A corpus of translations: checked, and sampled or built if need be; raises `UserError` if it is not whole."""
        if name not in self.texts:
            self.texts[name] = self._find(name)
        return self.texts[name]

    def _find(self, name: str) -> Text:
        corpus, made = self.corpora[name], self.root / "corpora" / name
        if self.data is None:
            if not made.is_dir():
                self._build(name, corpus, made)
            return Text(name, corpus, made)
        if not self.data.is_dir():
            raise UserError(
                f"--data {self.data}: is a file: give a folder that holds {name}/, or its train, valid and test"
            )
        text = Text(name, corpus, in_data(self.data, name, self.corpora))
        text.check()
        self._remember(name, text.sha256(), text.folder)
        if not self.scale.sample:
            return text
        return Text(name, corpus, made) if made.is_dir() else sample_text(text, made, self.scale.sample)

    def _remember(self, name: str, sha256: str, where: Path) -> None:
        """Keep the checksum of a corpus, and raise `UserError` where it was another."""
        path = self.root / "data.json"
        state = read_state(path)
        sums = state.setdefault("sha256", {})
        if sums.setdefault(name, sha256) != sha256:
            raise UserError(f"--data: {where} is not what it was for {self.root}: give another --output")
        write_state(path, state)

    def _build(self, name: str, corpus: Corpus, folder: Path) -> None:
        """CLDR's translations in place of a corpus; English is its target unless it translates from English."""
        languages = [] if corpus.languages else ["--languages", corpus.embedded or "de", "--unseen", "am"]
        with becoming(folder) as part:
            self.build_cldr(part / "cldr", languages)
            english_first = corpus.target != "en"
            for split in ("train", "valid", "test"):
                for side, built in zip(corpus.sides, ["en", "src"] if english_first else ["src", "en"], strict=False):
                    (part / "cldr" / f"{split}.{built}").rename(part / f"{split}.{side}")
                if corpus.languages:
                    (part / "cldr" / f"{split}.lang").rename(part / f"{split}.lang")
            for left in (part / "cldr").iterdir():
                left.unlink()
            (part / "cldr").rmdir()

    def build_cldr(self, folder: Path, more: list[str]) -> None:
        """Build the embedded corpus, small where the scale samples its text."""
        size = ["6000", "60"] if self.scale.sample else ["40000", "1500"]
        script = EXAMPLES / "cldr_corpus.py"
        if not script.is_file():
            raise UserError(f"{script}: missing: give --data, or run from a checkout of the project")
        command = [sys.executable, script, "--output", folder, "--pairs", size[0], "--held-out", size[1], *more]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"the embedded corpus was not built: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
