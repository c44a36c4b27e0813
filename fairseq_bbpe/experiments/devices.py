"""What trains: CPU cores or GPUs, shared out to the systems that run side by side."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.job import Hardware
from fairseq_bbpe.experiments.system import Scale


def find_devices(gpus: int | None, scale: Scale, scale_name: str, jobs: int) -> list[Hardware]:
    """One for each system that runs at a time; raises `UserError` where there are not so many GPUs."""
    if gpus is None and not scale.gpus:
        gpus = 0
    if gpus != 0:
        return _gpus(gpus, scale_name, jobs)
    text = os.environ.get("OMP_NUM_THREADS", "1")
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise UserError(f"OMP_NUM_THREADS {text}: give a whole number of threads, or leave it unset for 1")
    return [Hardware(cpu_name(), int(text), bfloat16=fast_bfloat16())] * jobs


def _gpus(gpus: int | None, scale_name: str, jobs: int) -> list[Hardware]:
    import torch

    there = torch.cuda.device_count()
    wanted = f"--scale {scale_name}" if gpus is None else f"--gpus {gpus}"
    if not there:
        raise UserError(f"{wanted}: torch sees no GPU here; --gpus 0 trains on the CPU, however long it takes")
    gpus = there if gpus is None else gpus
    if gpus > there:
        raise UserError(f"--gpus {gpus}: torch sees {there} here")
    if gpus % jobs:
        raise UserError(f"--gpus {gpus} --jobs {jobs}: give a number of jobs that divides the GPUs")
    each = gpus // jobs
    name = torch.cuda.get_device_name()
    return [Hardware(name, 4, tuple(range(first, first + each))) for first in range(0, gpus, each)]


def fast_bfloat16() -> bool:
    """Whether this CPU multiplies in bfloat16 as fast as in float32; without AVX-512 it takes 50 times as long."""
    import torch

    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def cpu_name() -> str:
    """The CPU's model, where the system tells it."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
