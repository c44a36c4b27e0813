"""How this process gets its memory: what an update frees, the next one takes again."""

import ctypes
import os

# Parameters of glibc's mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Let malloc keep up to 1 GiB of what is freed, instead of returning it to the system.

    A tensor of some megabytes is otherwise mapped anew, page by page, each time that it is allocated: an update of a
    small model on a CPU spends 5% of its time so. Does nothing without glibc, or where the environment sets a limit.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & set(os.environ):
        return
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc
        return
    mallopt(MMAP_THRESHOLD, 32 << 20)  # bytes; the most that every glibc takes
    mallopt(TRIM_THRESHOLD, 1 << 30)
