"""What an option of a layer is called on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fairseq_bbpe.errors import UserError


@contextmanager
def named_by_flags(**flags: str) -> Iterator[None]:
    """Tell a layer's ValueError, which begins with its option's name, as a UserError that begins with the flag.

    >>> with named_by_flags(kernel="--source-kernel"):
    ...     raise ValueError("kernel 0: must be at least 1")
    Traceback (most recent call last):
    fairseq_bbpe.errors.UserError: --source-kernel 0: must be at least 1
    """
    try:
        yield
    except ValueError as error:
        option, space, rest = str(error).partition(" ")
        if option not in flags:
            raise
        raise UserError(f"{flags[option]}{space}{rest}") from None
