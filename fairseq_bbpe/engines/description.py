"""What lies at --checkpoint: a checkpoint, or an exported folder, which says in translator.json what it is.

Needs neither torch nor fairseq.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fairseq_bbpe.errors import UserError

DESCRIPTION = "translator.json"
FIELDS: dict[str, dict[str, type]] = {
    "fairseq": {"checkpoint": str},
    "ctranslate2": {"longest_source": int, "longest_target": int, "context_kernel": int},
    "torch": {},
}


def read_description(folder: Path) -> dict[str, Any]:
    """The description of `folder`, its `format` one of `FIELDS`, with that format's fields.

    Raises:
        UserError: it is missing, or not as `export` writes it.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        fields = FIELDS[description["format"]]
        if all(isinstance(description[name], kind) for name, kind in fields.items()):
            return description
    except FileNotFoundError:
        raise UserError(
            f"{folder}: a folder without {DESCRIPTION}: give a checkpoint of fairseq-train, or a folder that "
            "'fairseq-bbpe export' made"
        ) from None
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{path}: damaged, or not of this version: make the folder again with 'fairseq-bbpe export'")
