"""From a mapping of options to the flags of fairseq's commands, checked by fairseq's own parser before any work."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairseq_bbpe.errors import UserError

PLUGIN = Path(__file__).resolve().parent.parent


def to_flags(options: Mapping[str, Any]) -> list[str]:
    """Flags of options: true is a flag without a value, false and null are none.

    >>> to_flags({"lr": 0.003, "share-all-embeddings": True, "cpu": False, "adam-betas": "(0.9, 0.98)"})
    ['--lr', '0.003', '--share-all-embeddings', '--adam-betas', '(0.9, 0.98)']
    """
    flags = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        flags.append(f"--{name}")
        if value is not True:
            flags.append(f"{value:.10g}" if isinstance(value, float) else str(value))
    return flags


def check_flags(where: str, command: str, arguments: list[str]) -> None:
    """Raise `UserError`, which names `where`, unless a command (`fairseq-train` ...) takes these arguments."""
    from fairseq import options

    import fairseq_bbpe.plugin  # noqa: F401  (what --user-dir would import)

    parsers = {
        "fairseq-train": options.get_training_parser,
        "fairseq-generate": options.get_generation_parser,
        "fairseq-eval-lm": options.get_eval_lm_parser,
    }
    said, user_dir = io.StringIO(), arguments.index("--user-dir")
    arguments = arguments[:user_dir] + arguments[user_dir + 2 :]
    try:
        with contextlib.redirect_stderr(said):
            options.parse_args_and_arch(parsers[command](), input_args=arguments)
    except SystemExit:
        problem = said.getvalue().strip().rpartition("error: ")[2]
        raise UserError(f"{where}: {command} would say: {' '.join(problem.split())[:300]}") from None
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {command} would say: {error}") from None
