"""The YAML of systems: what is trained, at which scale with which flags, and the tables that compare the systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.budget import UNITS
from fairseq_bbpe.experiments.vocabulary_name import parse_vocabulary

SCALES = ("tiny", "small", "base", "big")
PARTS = ("embed", "encoder", "decoder")


@dataclass
class Scale:
    """What all systems of a scale have in common; exactly one of updates, minutes, epochs is the budget.

    Attributes:
        tokens: of source or target, in an update.
        max_tokens: of them on a device at once; batches are collected until an update has its tokens.
        validate_every: updates between validations, at which checkpoints are saved.
        sample: lines of each split at most, evenly spaced; empty for all.
        gpus: whether it is meant for GPUs.
        results: whether its tables are worth keeping; what trains for seconds is a test.
    """

    tokens: int
    max_tokens: int
    validate_every: int
    updates: int | None = None
    minutes: float | None = None
    epochs: int | None = None
    sample: dict[str, int] = field(default_factory=dict)
    gpus: bool = False
    results: bool = True


@dataclass
class Model:
    """An architecture with its training: flags of fairseq-train and fairseq-generate, without the dashes.

    Attributes:
        task: fairseq's task.
        flags: at every scale; those of `tiny`, `small`, `base` and `big` are added and win.
        generate: flags of fairseq-generate.
        ngrams: whether it takes bags of n-grams, which are then counted.
        context: whether it takes --embed-context.
    """

    task: str = "translation"
    flags: dict[str, Any] = field(default_factory=dict)
    tiny: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] = field(default_factory=dict)
    big: dict[str, Any] = field(default_factory=dict)
    generate: dict[str, Any] = field(default_factory=dict)
    ngrams: bool = False
    context: bool = False


@dataclass
class System:
    """A model trained on a corpus under a vocabulary.

    Attributes:
        vocabulary: byte, char, bbpe:N, bpe:N, fairseq:N; CORPUS/SPEC is learned on another corpus, bbpe:N@T on balanced
            languages; none for bytes.
        context: what contextualizes the source embeddings, of a model that has such a layer.
        start: a system whose trained model this one starts from.
        train: the parts that train, of embed, encoder, decoder; empty for none.
        pairs: training pairs at most.
        updates: of some scales, instead of the scale's budget, where that is of updates.
        flags: of some scales; they win over the model's.
        paper: the paper's figures of some scales, by test set or language; params in millions.
    """

    label: str
    corpus: str
    model: str
    vocabulary: str | None = None
    context: str | None = None
    start: str | None = None
    train: list[str] | None = None
    pairs: int | None = None
    updates: dict[str, int] = field(default_factory=dict)
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)
    paper: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def frozen(self) -> bool:
        """Whether nothing trains: the model it starts from is evaluated as it is."""
        return self.train == []


@dataclass
class Table:
    """One table or figure of the paper.

    Attributes:
        kind: see `KINDS`.
        systems: those of the scales base, big and tiny; `small` those of the scale small, where they differ.
        split: what is scored, test or valid.
        baselines: of a scale, the systems that the others are tested against.
        corpora, vocabularies: of the tables of text.
        languages: the first panel's of Figure 3, under each of their codes.
        sentences: by corpus the sentence and its translation that Figure 5 shows; the first of validation elsewhere.
        figures: the paper's, of a table of text: corpus, row, column, figure; or a row's name and figure.
    """

    title: str
    kind: str
    systems: list[str] = field(default_factory=list)
    small: list[str] | None = None
    split: str = "test"
    baselines: dict[str, list[str]] = field(default_factory=dict)
    corpora: list[str] = field(default_factory=list)
    vocabularies: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    sentences: dict[str, list[str]] = field(default_factory=dict)
    figures: str | None = None
    rows: dict[str, Any] = field(default_factory=dict)

    def names(self, scale: str) -> list[str]:
        """Its systems at a scale."""
        return self.small if scale == "small" and self.small is not None else self.systems


@dataclass
class Experiments:
    """All of a file; `shared` is for YAML's anchors, and nothing reads it."""

    corpora: str
    scales: dict[str, Scale]
    tables: dict[str, Table]
    models: dict[str, Model] = field(default_factory=dict)
    systems: dict[str, System] = field(default_factory=dict)
    shared: list[Any] = field(default_factory=list)


TRAINED = ("translation", "context", "language_model", "saliency")
MEASURED = ("datasets", "partial", "lengths", "frequencies", "sharing", "tokens", "correlation")
KINDS = (*TRAINED, *MEASURED)


def read_yaml(path: Path, schema: type, flag: str = "--config"):
    """A dataclass of a YAML file; raises `UserError`, one line with file and key, for what the dataclass has not."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        loaded = OmegaConf.load(path)
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), loaded))
    except OSError as error:
        raise UserError(f"{flag} {path}: {error.strerror}: give a YAML file as those of examples/bbpe") from None
    except YAMLError as error:
        raise UserError(f"{flag} {path}: is no YAML: {' '.join(str(error).split())}") from None
    except OmegaConfBaseException as error:
        key, known = error.full_key or "", _known_keys(schema, (error.full_key or "").split("."))
        problem = str(error.msg or error).splitlines()[0]
        raise UserError(f"{path}: {key or 'top'}: {problem}{known}") from None


def _known_keys(schema: Any, keys: list[str]) -> str:
    """The keys of the dataclass in which an unknown one stands."""
    for key in keys[:-1]:
        if is_dataclass(schema):
            schema = get_type_hints(schema).get(key)
        else:
            schema = (get_args(schema) or (None,))[-1]
    if not is_dataclass(schema) or keys[-1] in {each.name for each in fields(schema)}:
        return ""
    return f"; give {', '.join(each.name for each in fields(schema))}"


def read_experiments(path: Path) -> Experiments:
    """Read and check a file; raises `UserError` for what no training could use."""
    found = read_yaml(path, Experiments)
    for name, scale in found.scales.items():
        _choose(f"{path}: scales", name, SCALES)
        numbers = {key: getattr(scale, key) for key in ("tokens", "max_tokens", "validate_every", *UNITS)}
        _check_positive(f"{path}: scales.{name}", numbers | {f"sample.{key}": n for key, n in scale.sample.items()})
    for name, table in found.tables.items():
        where = f"{path}: tables.{name}"
        _choose(f"{where}.kind", table.kind, KINDS)
        _choose(f"{where}.split", table.split, ("test", "valid"))
        for each in (*table.systems, *(table.small or ())):
            _choose(f"{where}.systems", each, found.systems)
        for scale, baselines in table.baselines.items():
            _choose(f"{where}.baselines", scale, SCALES)
            for each in baselines:
                _choose(f"{where}.baselines.{scale}", each, found.systems)
        for each in table.vocabularies:
            learned = parse_vocabulary(each, f"{where}.vocabularies")
            if learned.of or learned.balance:
                raise UserError(f"{where}.vocabularies: {each}: a table of text learns its own: {learned.spec}")
    for name, model in found.models.items():
        for key in ("flags", *SCALES, "generate"):
            for option, value in getattr(model, key).items():
                if value is None:  # as of `{adam-betas: (0.9, 0.98)}`, which YAML cuts at the comma
                    raise UserError(f"{path}: models.{name}.{key}: {option}: has no value: quote one with a comma")
    for name, system in found.systems.items():
        _check_system(f"{path}: systems.{name}", name, system, found)
    return found


def _check_system(where: str, name: str, system: System, found: Experiments) -> None:
    if not re.fullmatch(r"[\w.+/-]+", name) or ".." in name or name.startswith("/"):
        raise UserError(f"{where}: a system's name is also a folder's: give letters, digits and . + - /")
    _choose(f"{where}.model", system.model, found.models)
    if system.vocabulary is not None:
        parse_vocabulary(system.vocabulary, f"{where}.vocabulary")
    counts = {f"updates.{scale}": count for scale, count in system.updates.items()}
    _check_positive(where, {"pairs": system.pairs, **counts})
    model = found.models[system.model]
    if model.context != (system.context is not None):
        raise UserError(f"{where}.context: {system.context}: the model {system.model} has context: {model.context}")
    for part in system.train or ():
        _choose(f"{where}.train", part, PARTS)
    for key, scales in (("updates", system.updates), ("flags", system.flags), ("paper", system.paper)):
        for scale in scales:
            _choose(f"{where}.{key}", scale, SCALES)
    for scale, figures in system.paper.items():
        for key, figure in figures.items():
            if not isinstance(figure, (int, float)):
                raise UserError(f"{where}.paper.{scale}.{key}: {figure}: give a number")
    if system.frozen and system.start is None:
        raise UserError(f"{where}.train: neither trains nor starts from a trained system: give start")
    chain = [name]
    while (start := found.systems[chain[-1]].start) is not None:
        _choose(f"{where}.start", start, found.systems)
        if start in chain:
            raise UserError(f"{where}.start: {' starts from '.join([*chain, start])}")
        chain.append(start)
    if system.start is not None:
        _require_same_vocabulary(where, system, found.systems[system.start])


def _require_same_vocabulary(where: str, system: System, before: System) -> None:
    """Raise `UserError` where a model would go on from one whose pieces are others, though they may be as many."""
    own, its = (
        each.vocabulary
        if each.vocabulary in (None, "byte") or "/" in each.vocabulary
        else f"{each.corpus}/{each.vocabulary}"
        for each in (system, before)
    )
    if own != its:
        raise UserError(f"{where}.vocabulary: {system.vocabulary}: {system.start}, from which it starts, has {its}")


def _check_positive(where: str, numbers: Mapping[str, float | None]) -> None:
    for key, number in numbers.items():
        if number is not None and not number > 0:
            raise UserError(f"{where}.{key}: {number}: give a number above 0")


def _choose(where: str, value: str, choices) -> None:
    if value not in choices:
        raise UserError(f"{where}: {value}: choose from {', '.join(choices)}")
