"""The folder that an export makes: whole or not at all, so that nothing of an earlier export is left in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from fairseq_bbpe.corpus.checks import require_elsewhere
from fairseq_bbpe.corpus.staging import replacing
from fairseq_bbpe.engines.description import DESCRIPTION
from fairseq_bbpe.engines.fairseq_models import FairseqModels
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.translator import check_fits, vocabulary_in
from fairseq_bbpe.vocabularies.specification import KINDS

# All that exports write: only a folder with nothing else in it is replaced.
FILES = (
    *(DESCRIPTION, "dict.*.txt", *(kind.FILE for kind in KINDS.values())),
    *("checkpoint.pt", "model.bin", "config.json", "*_vocabulary.json", "source.pt2", "step.pt2"),
)


@contextmanager
def export_folder(engine: FairseqModels, output: Path) -> Iterator[Path]:
    """Yield a new folder with the engine's vocabulary in it, which becomes `output` when all is written.

    Raises:
        UserError: `output` holds what is exported, or anything that no export wrote, or is the current folder; the
            vocabulary beside the engine's dictionaries is another model's.
    """
    output = output.resolve()
    require_elsewhere(output, "--output")
    for path in (*engine.checkpoints, engine.data):
        if path.resolve().is_relative_to(output):
            raise UserError(f"--output {output}: holds {path}, which is read from: give another folder")
    found = sorted(path.name for path in output.iterdir()) if output.exists() else []
    foreign = [name for name in found if not any(fnmatch(name, pattern) for pattern in FILES)]
    if foreign or (found and DESCRIPTION not in found):
        odd = f"holds {foreign[0]}" if foreign else f"holds no {DESCRIPTION}"
        raise UserError(f"--output {output}: exists and {odd}, so no 'export' made it: give another folder")
    vocabulary = vocabulary_in(engine.data)
    for dictionary in engine.dictionaries:
        check_fits(vocabulary, dictionary)
    with replacing(output) as folder:
        shutil.copyfile(vocabulary.name, folder / vocabulary.FILE)
        yield folder


def describe(folder: Path, **description) -> None:
    """Write what `read_description` reads."""
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
