"""Peak memory of a process, and an allocator setting that a CPU training loop gains from."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

import torch

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_GIB = 1 << 30


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks instead of returning them to the kernel. For the life of the process.

    A training step frees and allocates the same megabytes again and again; by default each large block is a fresh
    mapping, whose pages the kernel must zero one fault at a time.

    Returns:
        Whether the C library took the setting (it does on glibc, and has no such call elsewhere).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _GIB)) and bool(mallopt(_M_TRIM_THRESHOLD, _GIB))


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak so far: of tensors on a GPU, else of the whole process, interpreter and libraries included."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    # ru_maxrss survives exec and so may be that of a larger parent; VmHWM is this program's own.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024
