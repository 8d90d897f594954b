"""First thing to run in a worker that no container engine limits: take the limits on, then become the worker.

Run as `python -m sandbox.confine '{"nofile": 256, ...}'`. Hard limits cannot be raised again by what runs afterwards.
Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_RLIMITS = {"nofile": "RLIMIT_NOFILE", "fsize": "RLIMIT_FSIZE", "core": "RLIMIT_CORE", "nproc": "RLIMIT_NPROC"}


def take_limits(limits: dict[str, int]) -> None:
    """Lower the resource limits of this process.

    Args:
        limits: `nofile`, `fsize` (bytes), `core` (bytes), `nproc`.
    """
    for name, value in limits.items():
        kind = getattr(resource, _RLIMITS[name])
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def follow_parent(parent: int) -> None:
    """Die with the process that started this one, and keep orphans of its own in sight (Linux only)."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the first call
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Read the limits from the command line, take them on, run the worker."""
    wanted: dict[str, int] = json.loads(sys.argv[1])
    parent = wanted.pop("parent", None)
    if parent is not None:
        follow_parent(parent)
    take_limits(wanted)
    sys.argv = ["sandbox.worker"]
    runpy.run_module("sandbox.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
