"""Which way imports point: each package's list of those it may know, read from the source of every file."""

import ast
from pathlib import Path

import pytest
from conftest import PLUGIN

TEXT = {"text", "vocabularies"}
TENSORS = {"modules", "transformer", "bytenet", "criterions", "models", "data", "search", "tasks"}

# Package or file of fairseq_bbpe: what of fairseq_bbpe it may import besides itself and errors.
MAY_IMPORT = {
    "errors": set(),
    "memory": set(),
    "text": set(),
    "vocabularies": {"text"},
    "corpus": TEXT,
    "scoring": {"text"},
    "bpe": TEXT,
    "modules": set(),
    "data": {"modules"},
    "search": {"modules", "data", "text"},  # text: which bytes a piece spells, to keep the output valid UTF-8
    "transformer": {"modules"},
    "criterions": {"modules"},
    "bytenet": {"modules"},
    "models": {"modules", "transformer", "bytenet", "bpe"},  # bpe: under any task a model refuses a wrong vocabulary
    "tasks": {"modules", "data", "search", "bpe", "vocabularies"},  # where text and tensors meet
    "plugin": {"bpe", "criterions", "models", "tasks", "data", "search", "memory"},
    "analysis": TEXT | TENSORS | {"corpus", "scoring", "plugin"},
}
# These come last and may import everything: a translator and its engines, exports, experiments, commands.
LAST = {"__init__", "translator", "engines", "export", "experiments", "cli"}

# What of other people's libraries a package must not know, not even inside a function.
FORBIDDEN = {
    "errors": {"torch", "fairseq", "sentencepiece", "numpy"},
    "memory": {"torch", "fairseq", "sentencepiece", "numpy"},
    "text": {"torch", "fairseq", "sentencepiece", "numpy"},
    "vocabularies": {"torch", "fairseq"},
    "corpus": {"torch", "fairseq"},
    "scoring": {"torch", "fairseq"},
    "modules": {"fairseq", "argparse", "omegaconf", "sentencepiece"},
}

# These raise ValueError in their own terms; who calls them names the flag or the file.
WITHOUT_USER_ERRORS = {"modules"}

FILES = sorted(PLUGIN.rglob("*.py"))


def imports(source: str, package: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Dotted names that `source`, a module in `package`, imports anywhere, each split at its dots."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            found |= {(*base, alias.name) for alias in node.names}
    return found


def unit(file: Path) -> str:
    """The package or file right below fairseq_bbpe that `file` belongs to."""
    return file.relative_to(PLUGIN).parts[0].removesuffix(".py")


def units_imported(file: Path) -> set[str]:
    package = (PLUGIN.name, *file.relative_to(PLUGIN).parts[:-1])
    names = imports(file.read_text(encoding="utf-8"), package)
    return {name[1] for name in names if name[0] == PLUGIN.name and len(name) > 1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b\ndef f():\n    import c", {("a", "b"), ("c",)}),
        ("from a.b import c, d as e", {("a", "b", "c"), ("a", "b", "d")}),
        (
            "from . import x\nfrom .y import z\nfrom ..w import v",
            {("p", "q", "x"), ("p", "q", "y", "z"), ("p", "w", "v")},
        ),
    ],
)
def test_every_form_of_import_is_read(source, expected):
    assert imports(source, ("p", "q")) == expected


def test_every_package_has_its_rule():
    assert {unit(file) for file in FILES} <= set(MAY_IMPORT) | LAST


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PLUGIN)))
def test_imports_point_one_way(file):
    own = unit(file)
    if own in MAY_IMPORT:
        known = {name for name in units_imported(file) if name in set(MAY_IMPORT) | LAST}
        errors = set() if own in WITHOUT_USER_ERRORS else {"errors"}
        assert known <= MAY_IMPORT[own] | {own} | errors


@pytest.mark.parametrize("file", [f for f in FILES if unit(f) in FORBIDDEN], ids=lambda f: str(f.relative_to(PLUGIN)))
def test_a_package_knows_only_the_libraries_of_its_trade(file):
    libraries = {name[0] for name in imports(file.read_text(encoding="utf-8"))}
    assert not libraries & FORBIDDEN[unit(file)]


MODELS = [file for file in FILES if unit(file) == "models" and file.stem != "__init__"]


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.name)
def test_every_file_of_models_registers_a_model(file):
    calls = [
        decorator.func.id
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name)
    ]
    assert "register_model" in calls
