"""Watching a tree of processes from the host, where the kernel offers no limit to an ordinary user."""

from __future__ import annotations

import contextlib
import time

import psutil

from sandbox.base import Exit, Limits
from sandbox.supervise import Verdict

_INTERVAL_S = 0.1


class TreeWatch:
    """Sums up memory and threads of a process and its descendants, and can end all of them.

    A watcher is late by its interval: a job can be over its memory limit for a tenth of a second.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen: dict[int, psutil.Process] = {}
        self._next = 0.0

    def breach(self, limits: Limits) -> Verdict | None:
        """Return the limit that the tree has gone over; looks at most ten times a second."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + _INTERVAL_S
        tree = self._tree()
        resident = threads = 0
        for process in tree:
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
                threads += process.num_threads()
        most = limits.memory_mib * 2**20
        # Forked processes share pages, which the first sum counts for each; the second is exact, and slow.
        if resident > most and (len(tree) == 1 or sum(map(_proportional_bytes, tree)) > most):
            return Verdict(Exit.OUT_OF_MEMORY, f"out of memory: more than {limits.memory_mib} MiB")
        if threads > limits.pids:
            return Verdict(Exit.KILLED, f"process limit: more than {limits.pids} processes and threads")
        return None

    def kill(self) -> None:
        """End the tree: descendants first, again and again while new ones appear, then the root."""
        for _ in range(100):
            self._tree()
            living = [process for process in self._seen.values() if process.is_running()]
            living = [process for process in living if process.status() != psutil.STATUS_ZOMBIE]
            if not living:
                break
            for process in living:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(living, timeout=0.05)
        with contextlib.suppress(psutil.NoSuchProcess):
            self._root.kill()

    def _tree(self) -> list[psutil.Process]:
        try:
            children = self._root.children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        for child in children:
            self._seen.setdefault(child.pid, child)
        return [self._root, *children]


def _proportional_bytes(process: psutil.Process) -> int:
    """Return a process's memory with shared pages divided among those that share them, in bytes."""
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(full, "pss", full.uss))
