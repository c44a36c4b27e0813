"""What a process frees it keeps for the next allocation."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
{first}
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16, 1 << 18), torch.ones(8, 1 << 18)  # 24 MiB: 6,144 pages of 4 KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(pages())
"""


def pages_mapped(first, **environment):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))} | environment
    command = [sys.executable, "-c", FAULTS.format(first=first)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.skipif(not os.confstr_names.get("CS_GNU_LIBC_VERSION"), reason="needs glibc")
def test_tensors_of_megabytes_are_not_mapped_anew():
    plugin = "import fairseq_bbpe.plugin"
    assert pages_mapped(plugin) < 1000
    # The environment's own limits stay: here each tensor is mapped for itself, and unmapped.
    assert pages_mapped(plugin, MALLOC_MMAP_THRESHOLD_="65536") > 20 * 512
