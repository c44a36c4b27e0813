"""The kinds of tables that train nothing: measurements of text and vocabularies, beside the paper's figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import Text
from fairseq_bbpe.experiments.report import Name, Report, difference
from fairseq_bbpe.experiments.system import Table
from fairseq_bbpe.experiments.train import commit
from fairseq_bbpe.experiments.workspace import Workspace
from fairseq_bbpe.text.lines import read_lines

RANKS = {"1", "10", "100", "1000", "10000"}  # of Figure 2 that its Markdown shows


def measure(workspace: Workspace, table: Table, name: str, folder: Path, workers: int, command: str) -> Report:
    """Measure a table's corpora, those of them that --data holds, in vocabularies that are learned once and kept.

    Args:
        folder: of the YAML, in which the paper's figures lie.
        command: which makes the table again.
    """
    names = [each for each in table.corpora if workspace.holds(each)]
    if not names:
        needs = f"one of {', '.join(table.corpora)} there" if table.corpora else "corpora in the YAML"
        raise UserError(f"--data {workspace.data}: {name} needs {needs}")
    figures = _paper(folder / table.figures, name) if table.figures else {}
    texts = [workspace.text(each) for each in names]
    _check(texts, table)
    took, parts = [], {}
    for text in texts:
        began = time.monotonic()
        for part, found in _measure(workspace, text, table, name, workers):
            parts[part] = found
        took.append([text.name, text.pairs(), round(time.monotonic() - began), Name(text.sha256()), Name(commit())])
    notes = [f"Again: `{command}`"]
    if workspace.scale.sample:
        lines = ", ".join(f"{count:,} of {split}" for split, count in workspace.scale.sample.items())
        notes.insert(0, f"**Samples of the corpora, with so many lines at most: {lines}.**")
    runs = ("", ("corpus", "sentences", "seconds", "sha256", "commit"), took)
    if table.kind in ("frequencies", "sharing"):
        _draw(workspace, table, name, parts)
        shown = [(f"`{name}.{part}.tsv`", header, _some(header, rows)) for part, (header, rows) in parts.items()]
        return Report(table.title, parts, [*shown, runs], notes)
    header = next(iter(parts.values()))[0]
    rows = [[str(value) for value in row] for _, found in parts.values() for row in found]
    if table.kind == "correlation":
        return Report(table.title, {"": (header, rows)}, [("", header, rows), runs], notes)
    return Report(table.title, {"": (header, rows)}, [("", *beside(header, rows, figures)), runs], notes)


def _check(texts: list[Text], table: Table) -> None:
    from fairseq_bbpe.vocabularies.specification import Specification

    Specification.parse_all(table.vocabularies)
    if table.kind == "sharing":
        for text in texts:
            if not text.corpus.languages:
                raise UserError(f"{text.name}: has no languages, by which {table.kind} counts")


def _measure(workspace: Workspace, text: Text, table: Table, name: str, workers: int) -> Iterator[tuple[str, tuple]]:
    """The tables of a corpus, by the ends of their names."""
    from fairseq_bbpe.analysis import vocabulary_tables
    from fairseq_bbpe.analysis.library import Library
    from fairseq_bbpe.analysis.parallel_text import ParallelText
    from fairseq_bbpe.vocabularies.specification import Specification

    def parallel(split: str) -> ParallelText:
        files = [text.file(split, side) for side in text.corpus.sides]
        return ParallelText.of_files(*files)

    if table.kind == "datasets":
        for split in text.splits:
            yield f"{text.name}.{split}", vocabulary_tables.datasets(parallel(split), text.name, split)
        return
    if table.kind == "correlation":
        for split in text.tests:
            yield f"{text.name}.{split}", _correlation(workspace, text, split, name)
        return
    training = parallel("train")
    library = Library(training, workspace.root / "models" / text.name, workers)
    vocabularies = list(library.each(Specification.parse_all(table.vocabularies)))
    if table.kind == "tokens":
        pair = table.sentences.get(text.name) if workspace.data else None
        if pair is None:
            lines = (next(read_lines(text.file("valid", side))) for side in text.corpus.sides[:2])
            pair = [line.decode("utf-8", "replace") for line in lines]
        yield text.name, vocabulary_tables.tokens(vocabularies, text.name, *pair)
    elif table.kind == "frequencies":
        yield text.name, vocabulary_tables.frequencies(training, vocabularies, workers)
    elif table.kind == "sharing":
        there = set(text.file("train", "lang").read_text(encoding="utf-8").split())
        few = [code for code in table.languages if code in there]
        yield "five", vocabulary_tables.sharing(training, vocabularies, few, workers)
        yield "all", vocabulary_tables.sharing(training, vocabularies, None, workers)
    else:
        function = {"partial": vocabulary_tables.partial, "lengths": vocabulary_tables.lengths}[table.kind]
        yield text.name, function(training, vocabularies, text.name, workers)


def _correlation(workspace: Workspace, text: Text, split: str, name: str) -> tuple:
    """How far the length of a sentence tells that of its translation, drawn; the target is on the vertical axis."""
    from fairseq_bbpe.analysis.figures import figure
    from fairseq_bbpe.analysis.lengths import correlation, draw_lengths, length_table
    from fairseq_bbpe.analysis.tables import save_table

    source, target = (text.file(split, side) for side in text.corpus.sides[:2])
    prefix = workspace.root / "tables" / f"{name}_{split}"
    prefix.parent.mkdir(exist_ok=True)
    counts = length_table(source, target, "characters")
    save_table(f"{prefix}.tsv", ("source", "target", "sentences"), counts)
    with figure(f"{prefix}.png") as plot:
        draw_lengths(counts, plot.subplots(), source.name, target.name, "characters")
    return ("corpus", "set", "sentences", "rho"), [(text.name, split, counts[:, 2].sum(), f"{correlation(counts):.3f}")]


def _draw(workspace: Workspace, table: Table, name: str, parts: dict) -> None:
    """A panel a part."""
    from fairseq_bbpe.analysis.figures import panels
    from fairseq_bbpe.analysis.piece_frequencies import draw_frequencies
    from fairseq_bbpe.analysis.sharing import draw_sharing
    from fairseq_bbpe.analysis.tables import save_table

    folder = workspace.root / "tables"
    folder.mkdir(exist_ok=True)
    files = [str(folder / f"{name}.{part}.tsv") for part in parts]
    for file, found in zip(files, parts.values(), strict=True):
        save_table(file, *found)
    draw = draw_frequencies if table.kind == "frequencies" else draw_sharing
    panels(files, list(parts), str(folder / f"{name}.png"), table.kind, draw)


def _some(header, rows) -> list:
    return [row for row in rows if header[0] != "rank" or str(row[0]) in RANKS]


def _paper(path: Path, name: str) -> dict[tuple[str, ...], str]:
    """(corpus, row, column) -> figure of one of the paper's tables."""
    from fairseq_bbpe.analysis.tables import read_table

    header, rows = read_table(path)
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    return {(c["corpus"], c["row"], c["column"]): c["figure"] for c in cells if c["table"] == name}


def beside(header, rows: list[list[str]], paper: dict[tuple[str, ...], str]) -> tuple[list[str], list[list[str]]]:
    """The table with two columns more for each that the paper has a figure for.

    A corpus's one test set, whatever its name, is compared with the paper's `test`, which is all of its test sets; and
    fairseq:N, the paper's recipe, with the paper's bbpe:N.
    """
    tests = Counter(row[0] for row in rows if row[1].startswith("test"))
    known = {column for column in header[2:] if any(key[2] == column for key in paper)}
    wide = list(header[:2])
    for column in header[2:]:
        wide += [f"{column}: paper", "ours", "difference"] if column in known else [column]
    table = []
    for row in rows:
        of_all_tests = row[1].startswith("test") and tests[row[0]] == 1
        name = "test" if of_all_tests else row[1].replace("fairseq:", "bbpe:")
        out = row[:2]
        for column, ours in zip(header[2:], row[2:], strict=True):
            theirs = paper.get((row[0], name, column), "-")
            out += [theirs, ours, difference(ours, theirs)] if column in known else [ours]
        table.append(out)
    return wide, table
