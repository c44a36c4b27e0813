"""One edit of one file of fairseq: what is replaced, how often, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


class EditError(RuntimeError):
    """The file to edit is missing, or does not hold the text to edit exactly as often as expected."""


@dataclass(frozen=True)
class Edit:
    """Replace the regular expression `old` by `new` in `file`, exactly `count` times."""

    file: str
    old: str
    new: str
    count: int
    why: str

    def apply(self, root: Path) -> None:
        """Edit the file below `root`, or raise `EditError`."""
        path = root / self.file
        if not path.is_file():
            raise EditError(f"{self.file}: not in the fairseq that was downloaded; wanted for: {self.why}")
        text, found = re.subn(self.old, self.new, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found != self.count:
            raise EditError(f"{self.file}: found {self.old!r} {found} times, expected {self.count}; for: {self.why}")
        path.write_text(text, encoding="utf-8")
