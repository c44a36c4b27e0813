"""A corpus in fairseq's format under a vocabulary, made once for all systems that share it."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import Corpus, Text, becoming, count_lines, sample_text
from fairseq_bbpe.experiments.process import Processes, environment
from fairseq_bbpe.experiments.vocabulary_name import parse_vocabulary
from fairseq_bbpe.experiments.workspace import Workspace
from fairseq_bbpe.text.lines import read_lines

# What fairseq decodes each kind of vocabulary with: the value of --bpe, the option that names the model, its file.
BPE = {
    "byte": ("bbpe", "bbpe-model", "bbpe.model"),
    "bbpe": ("bbpe", "bbpe-model", "bbpe.model"),
    "char": ("sentencepiece", "sentencepiece-model", "sentencepiece.bpe.model"),
    "bpe": ("sentencepiece", "sentencepiece-model", "sentencepiece.bpe.model"),
    "fairseq": ("byte_bpe", "sentencepiece-model-path", "byte_bpe.model"),
}
_locks: dict[Path, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class DataBin:
    """A corpus under a vocabulary, `CORPUS/SPEC` where that is another corpus's; or a file of bytes, without one.

    Attributes:
        pairs: training pairs at most.
    """

    workspace: Workspace
    corpus_name: str
    vocabulary: str | None
    pairs: int | None = None

    @property
    def corpus(self) -> Corpus:
        """What the YAML says of the corpus."""
        return self.workspace.corpora[self.corpus_name]

    @property
    def kind(self) -> str:
        """The kind of vocabulary, one of `BPE`."""
        return parse_vocabulary(self.vocabulary).kind

    @property
    def folder(self) -> Path:
        """Where it is made."""
        if self.vocabulary is None:
            return self.workspace.root / "data-bin" / self.corpus_name
        pairs = f".{self.pairs}" if self.pairs else ""
        vocabulary = self.vocabulary.replace("/", ".").replace(":", "-")
        return self.workspace.root / "data-bin" / f"{self.corpus_name}{pairs}.{vocabulary}"

    @property
    def learned_on(self) -> DataBin | None:
        """The one from which the vocabulary is taken, where that is another corpus's."""
        of, _, own = (self.vocabulary or "").rpartition("/")
        return DataBin(self.workspace, of, own) if of else None

    @property
    def pieces(self) -> int:
        """Entries of the vocabulary."""
        return count_lines(self.folder / f"dict.{self.corpus.source}.txt")

    def check(self) -> None:
        """Raise `UserError` unless the texts are there and whole."""
        if self.corpus.of_bytes:
            if self.workspace.data is not None and not self.workspace.data.is_file():
                raise UserError(f"--data {self.workspace.data}: no such file: give any file of bytes")
            return
        if self.vocabulary is None:
            raise UserError(f"{self.corpus_name}: a system on parallel text needs a vocabulary")
        self.workspace.text(self.corpus_name)
        if self.learned_on is not None:
            if self.learned_on.corpus_name not in self.workspace.corpora:
                raise UserError(f"vocabulary {self.vocabulary}: {self.learned_on.corpus_name} is no corpus")
            self.learned_on.check()
        elif parse_vocabulary(self.vocabulary).balance and not self.corpus.languages:
            raise UserError(
                f"vocabulary {self.vocabulary}: {self.corpus_name} has no languages to balance: leave out @T, or give "
                "train.lang with it and `languages: true` in the corpora's YAML"
            )

    def make(self, processes: Processes, threads: int) -> None:
        """Make it unless it is there; of several threads one makes it, and the others wait."""
        with _locks[self.folder]:
            if self.folder.is_dir():
                return
            self.folder.parent.mkdir(exist_ok=True)
            if self.corpus.of_bytes:
                self._split_bytes(processes)
            else:
                self._prepare(processes, environment(threads, None))

    def count_ngrams(self, processes: Processes, threads: int) -> None:
        """Count the n-grams of both sides for ByteNet, unless they are there."""
        with _locks[self.folder]:
            prefix = self.folder / "ngrams"
            if not Path(f"{prefix}.{self.corpus.target}.pt").exists():
                self._run(
                    processes, environment(threads, None), "ngrams", self.folder, "--output", self.folder / "ngrams"
                )

    def _run(self, processes: Processes, env: dict[str, str], *command: str | Path) -> None:
        log = self.folder.with_name(f"{self.folder.name}.{command[0]}.log")
        what = f"{self.folder.name}: fairseq-bbpe {command[0]}"
        processes.run(["-m", "fairseq_bbpe.cli", *command], log=log, env=env, what=what)

    def _prepare(self, processes: Processes, env: dict[str, str]) -> None:
        text, learned_on = self._training_text(), self.learned_on
        name = parse_vocabulary(self.vocabulary)
        command: list[str | Path] = ["prepare"]
        if learned_on is None and name.balance:
            command += ["--model", self._learn_balanced(processes, env, text)]
        elif learned_on is None:
            command += ["--vocab", name.spec, "--at-most"]
        else:
            learned_on.make(processes, int(env["OMP_NUM_THREADS"]))
            command += ["--model", learned_on.folder / BPE[learned_on.kind][2]]
        command += ["--source-lang", self.corpus.source, "--target-lang", self.corpus.target]
        command += ["--trainpref", text.folder / "train", "--validpref", text.folder / "valid"]
        command += ["--testpref", self._tests(), "--destdir", self.folder]
        self._run(processes, env, *command)

    def _learn_balanced(self, processes: Processes, env: dict[str, str], text: Text) -> Path:
        """The model of a vocabulary for which languages are drawn by temperature, each pair with both its sides."""
        name, prefix = parse_vocabulary(self.vocabulary), self.folder.with_name(f"{self.folder.name}.vocabulary")
        languages = [text.folder / "train.lang"] * 2
        command: list[str | Path] = ["learn", "--input", *(text.file("train", side) for side in text.corpus.sides[:2])]
        command += ["--languages", *languages, "--balance", str(name.balance)]
        command += ["--vocab-size", str(name.size), "--at-most", "--output", prefix]
        self._run(processes, env, *command)
        return Path(f"{prefix}.model")

    def _training_text(self) -> Text:
        text = self.workspace.text(self.corpus_name)
        if self.pairs is None:
            return text
        folder = self.workspace.root / "corpora" / f"{self.corpus_name}.{self.pairs}"
        with _locks[folder]:
            if folder.is_dir():
                return Text(self.corpus_name, self.corpus, folder)
            return sample_text(text, folder, {"train": self.pairs})

    def _tests(self) -> Path:
        """The prefix of all test sets in one, so that a system translates them at once."""
        text, folder = self.workspace.text(self.corpus_name), self.workspace.root / "tests" / self.corpus_name
        with _locks[folder]:
            if not folder.is_dir():
                with becoming(folder) as part:
                    for side in text.corpus.sides[:2]:
                        with open(part / f"test.{side}", "wb") as file:
                            for split in text.tests:
                                file.writelines(line + b"\n" for line in read_lines(text.file(split, side)))
        return folder / "test"

    def _split_bytes(self, processes: Processes) -> None:
        """90, 5 and 5 per cent of a file, as the paper splits enwik8."""
        with becoming(self.folder) as part:
            whole = self.workspace.data
            if whole is None:
                whole = part / "text"
                self.workspace.build_cldr(part / "cldr", [])
                with open(whole, "wb") as file:
                    sides = (read_lines(part / "cldr" / f"train.{side}") for side in ("en", "src"))
                    for pair in zip(*sides, strict=True):
                        file.writelines(line + b"\n" for line in pair)
                shutil.rmtree(part / "cldr")
            self._run(processes, {}, "lm", "split", "--input", whole, "--output", part)
            (part / "text").unlink(missing_ok=True)
