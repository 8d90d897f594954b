"""Locks between processes, on files of the workspace. The kernel frees them when a process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neuramosaic.errors import NeuraMosaicError

_POLL_S = 0.01


class LockedError(NeuraMosaicError):
    """Another process holds a lock, and held it for as long as was waited."""


@contextmanager
def locked(path: Path, *, shared: bool = False, wait_s: float, what: str) -> Iterator[None]:
    """Hold a lock; threads of one process exclude each other too.

    Args:
        path: File that is locked; made if it is missing, its content does not matter.
        shared: Let others who ask for a shared lock have it as well.
        wait_s: Seconds to wait for it.
        what: What the other process does, for the error: "another process {what}".

    Raises:
        LockedError: If it could not be had in time.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockedError(f"another process {what} ({path.name}): try again when it is done") from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(file)
