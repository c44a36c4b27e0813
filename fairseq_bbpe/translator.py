"""From raw lines to their translations: the library behind `fairseq-bbpe translate`.

from fairseq_bbpe.translator import Translator
print(Translator.load("checkpoints/cldr/checkpoint_best.pt").translate(["3 mois", "4 Tage"]))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fairseq_bbpe.engines.description import read_description
from fairseq_bbpe.engines.search_options import Engine, Pieces, SearchOptions
from fairseq_bbpe.errors import UserError, check_checkpoints
from fairseq_bbpe.text.recovery import pieces_to_text
from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary
from fairseq_bbpe.vocabularies.specification import KINDS, load_vocabulary

TOO_LONG = ("split", "refuse")
SPACE = "\u2581"


@dataclass(frozen=True)
class Hypothesis:
    """A translation on one line, and the mean log2-probability of its pieces (0 where there was nothing to do)."""

    text: str
    score: float


class Translator:
    """Translates lines of any bytes with an engine and the vocabulary that it was trained on.

    Args:
        engine: what translates pieces.
        vocabulary: what makes them of lines, and lines of them.
        too_long: lines longer than the model reads are `split`, between words where they have any, and their parts'
            translations joined by spaces; or they `refuse` the whole text.
        batch_pieces: source pieces in a batch at most, padding included.
        longest: source pieces of one part at most; None: as many as the model reads.
        options: of `SearchOptions`.

    Raises:
        UserError: an option that does not fit.
    """

    def __init__(
        self,
        engine: Engine,
        vocabulary: SubwordVocabulary,
        *,
        too_long: str = "split",
        batch_pieces: int = 4096,
        longest: int | None = None,
        **options,
    ) -> None:
        self.engine, self.vocabulary = engine, vocabulary
        self.options = SearchOptions(**options)
        if too_long not in TOO_LONG:
            raise UserError(f"--too-long {too_long}: give one of {', '.join(TOO_LONG)}")
        self.too_long, self.batch_pieces = too_long, batch_pieces
        self.longest = min(longest or engine.longest_source, engine.longest_source)
        self._lines = 0

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        data: str | os.PathLike | None = None,
        model: str | os.PathLike | None = None,
        devices: Iterable[str] = ("cpu",),
        **options,
    ) -> Translator:
        """Load a checkpoint of fairseq-train, several with ':' between (an ensemble), or a folder of `export`.

        Args:
            path: of it.
            data: folder of the dictionaries, and of the vocabulary; by default the checkpoint's folder, where that
                holds them, or else the data-bin that it was trained on.
            model: the vocabulary; by default the one that `fairseq-bbpe prepare` keeps beside the dictionaries.
            devices: names for torch; with several, each has a process of its own.
            options: of `Translator` and `SearchOptions`.

        Raises:
            UserError: what is missing or does not fit together.
        """
        devices = list(devices)
        load, folder = _engine_loader(str(path), None if data is None else Path(data))
        engine: Any = load(devices[0])
        folder = folder or engine.data
        vocabulary = load_vocabulary(model) if model else vocabulary_in(folder)
        for dictionary in engine.dictionaries:
            check_fits(vocabulary, dictionary)
        if len(devices) > 1:
            from fairseq_bbpe.engines.processes import EngineProcesses

            engine = EngineProcesses(load, devices, engine)
        return cls(engine, vocabulary, **options)

    def translate(self, lines: Iterable[str | bytes]) -> list[str]:
        """The best translation of every line, in their order; that of an empty or blank line is empty.

        Raises:
            UserError: `lines` is one line, and not a list; a line that is too long, where these are refused.
        """
        if isinstance(lines, (str, bytes)):  # whose letters would each be a line
            raise UserError(f"{lines[:20]!r}: is one line of text: give a list of lines, such as [{lines[:20]!r}]")
        given = [_as_bytes(line) if isinstance(line, str) else line for line in lines]
        return [hypotheses[0].text for hypotheses in self.hypotheses(given)]

    def hypotheses(self, lines: list[bytes], done: Callable[[int], object] = int) -> list[list[Hypothesis]]:
        """The `nbest` translations of every line, best first.

        Args:
            lines: without their newlines.
            done: called with the bytes of the lines that each batch has finished.

        Raises:
            UserError: a line that is too long, where these are refused.
        """
        parts = [self._parts(pieces) for pieces in self._encode(lines)]
        for number, of_line in enumerate(parts, self._lines + 1):
            if len(of_line) > 1 and self.too_long == "refuse":
                pieces = sum(map(len, of_line))
                raise UserError(
                    f"line {number}: {pieces} pieces, and the model reads {self.longest}: shorten it, or let it be "
                    "split: --too-long split"
                )
        self._lines += len(lines)
        queue = sorted(
            ((line, number) for line, of_line in enumerate(parts) for number in range(len(of_line))),
            key=lambda place: -len(parts[place[0]][place[1]]),
        )
        batches = list(self._batches(queue, parts))
        found: list[dict[int, list]] = [{} for _ in lines]
        given = ([parts[line][number] for line, number in batch] for batch in batches)
        for batch, results in zip(batches, self.engine.search_all(given, self.options), strict=True):
            for (line, number), hypotheses in zip(batch, results, strict=True):
                found[line][number] = hypotheses
            done(sum(len(lines[line]) // len(parts[line]) for line, _ in batch))
        return [self._joined(of_line) for of_line in found]

    def _encode(self, lines: list[bytes]) -> list[Pieces]:
        blank = [not line.decode("utf-8", "replace").strip() for line in lines]
        spoken = [line for line, nothing in zip(lines, blank, strict=True) if not nothing]
        pieces = iter(self.vocabulary.encode_lines(spoken))
        return [[] if nothing else next(pieces).split() for nothing in blank]

    def _parts(self, pieces: Pieces) -> list[Pieces]:
        """Cut into parts that the model reads: between words, or else between characters, or else anywhere."""
        parts = []
        start = 0
        while len(pieces) - start > self.longest:
            cuts = range(start + self.longest, start + self.longest // 2, -1)
            word = next((cut for cut in cuts if pieces[cut].startswith(SPACE)), None)
            character = next((cut for cut in cuts if self.vocabulary.spell(pieces[cut])[0] & 0xC0 != 0x80), cuts[0])
            end = word or character
            parts.append(pieces[start:end])
            start = end
        return [*parts, pieces[start:]] if pieces else []

    def _batches(self, queue: list[tuple[int, int]], parts: list[list[Pieces]]) -> Iterator[list[tuple[int, int]]]:
        while queue:
            line, number = queue[0]
            rows = max(1, self.batch_pieces // (len(parts[line][number]) + 1))
            yield queue[:rows]
            queue = queue[rows:]

    def _joined(self, of_line: dict[int, list]) -> list[Hypothesis]:
        if not of_line:
            return [Hypothesis("", 0.0)] * self.options.nbest
        ranks = []
        for rank in range(self.options.nbest):
            # A short translation may have fewer hypotheses than asked for; its last stands for the rest.
            parts = [of_line[number][min(rank, len(of_line[number]) - 1)] for number in sorted(of_line)]
            texts = [self._text(part.pieces) for part in parts]
            text = texts[0] if len(texts) == 1 else " ".join(text.strip() for text in texts)
            ranks.append(Hypothesis(text, sum(part.score for part in parts) / len(parts)))
        return ranks

    def _text(self, pieces: Pieces) -> str:
        if isinstance(self.vocabulary, Vocabulary):
            return pieces_to_text(" ".join(pieces))
        spelled = b"".join(map(self.vocabulary.spell, pieces)).decode("utf-8", "ignore")
        return " ".join(spelled.split())

    def close(self) -> None:
        """Stop the processes, where there are several."""
        if hasattr(self.engine, "close"):
            self.engine.close()


def _as_bytes(line: str) -> bytes:
    """A surrogate that `surrogateescape` made of a byte is that byte; any other is three, as in `Vocabulary.encode`."""
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogatepass")


def _engine_loader(path: str, data: Path | None) -> tuple[partial[Engine], Path | None]:
    """What loads the engine at `path` on a device, in any process; and an exported folder, which holds it all."""
    folder = Path(path)
    if not folder.is_dir():
        checkpoints = [Path(part) for part in path.split(":")]
        check_checkpoints(*checkpoints)
        return partial(_load_fairseq, checkpoints, data), None
    description = read_description(folder)
    if data is not None:
        raise UserError(f"--data {data}: the folder {path} holds all that it needs: leave it out")
    if description["format"] == "ctranslate2":
        return partial(_load_ctranslate2, folder), folder
    if description["format"] == "torch":
        raise UserError(
            f"{path}: programs of torch.export, for programs of your own: give a checkpoint, or a folder of "
            "'fairseq-bbpe export fairseq' or 'ctranslate2'"
        )
    return partial(_load_fairseq, [folder / description["checkpoint"]], folder), folder


def cuda_devices(path: str | os.PathLike) -> int:
    """How many GPUs the engine of what lies at `path` can use; `path` and `UserError` as in `Translator.load`."""
    load, _ = _engine_loader(str(path), None)
    if load.func is _load_ctranslate2:  # which asks for no torch, and starts in a tenth of the time without
        try:
            import ctranslate2
        except ImportError:
            return 0
        return ctranslate2.get_cuda_device_count()
    import torch

    return torch.cuda.device_count()


def _load_fairseq(checkpoints: list[Path], data: Path | None, device: str) -> Engine:
    from fairseq_bbpe.engines.fairseq_models import FairseqModels

    return FairseqModels(checkpoints, data, device)


def _load_ctranslate2(folder: Path, device: str) -> Engine:
    from fairseq_bbpe.engines.ctranslate2_model import CTranslate2Model

    return CTranslate2Model(folder, device)


def vocabulary_in(folder: Path) -> SubwordVocabulary:
    """The vocabulary that `fairseq-bbpe prepare` keeps in `folder`; raises `UserError` where there is none."""
    names = dict.fromkeys(kind.FILE for kind in KINDS.values())
    for name in names:
        if (folder / name).is_file():
            return load_vocabulary(folder / name)
    raise UserError(f"{folder}: holds no vocabulary ({', '.join(names)}): give the model's own: --model PATH")


def check_fits(vocabulary: SubwordVocabulary, dictionary: set[str]) -> None:
    """Raise `UserError` unless the vocabulary's pieces are those of the model's dictionary."""
    symbols = {symbol for symbol in dictionary if "madeupword" not in symbol}
    pieces = {piece for piece in vocabulary.pieces if "madeupword" not in piece}
    if symbols != pieces:
        odd = min(symbols ^ pieces)
        raise UserError(
            f"{vocabulary.name}: its pieces are not those of the model's dictionary ({odd!r} is in one alone): take "
            "the .model that the model's data were made with"
        )
