"""A pool of pre-started, single-use workers.

A worker that has run generated code is never used again, so starting up (0.25 s for a container, two seconds for torch)
would be paid by every job. The pool pays it ahead of time, for one worker more than run at once.
"""

from __future__ import annotations

import dataclasses
import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from neuramosaic.errors import SandboxError
from sandbox.base import Limits


class Startable(Protocol):
    """What the pool needs of a worker."""

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended."""
        ...

    def close(self) -> None:
        """Kill and remove it."""
        ...


class PoolClosedError(SandboxError):
    """A worker was asked of a pool that was closed meanwhile."""


W = TypeVar("W", bound=Startable)

_RETRY_S = 5.0


class WorkerPool(Generic[W]):
    """Keeps workers ready. `borrow` may be called from several threads at once."""

    def __init__(self, launch: Callable[[Limits], W], limits: Limits, workers: int) -> None:
        """Begin to launch workers.

        Args:
            launch: Starts one worker.
            limits: What pre-started workers are made for.
            workers: How many are expected to be lent at once.
        """
        self._launch, self._limits, self._workers = launch, limits, workers
        self._ready: deque[W] = deque()
        self._lent = 0
        self._failure: SandboxError | None = None
        self._closed = False
        self._changed = threading.Condition()
        # One thread for as long as the pool lives, not one per launch: Linux ends a process with
        # PR_SET_PDEATHSIG when the *thread* that started it ends.
        self._thread = threading.Thread(target=self._keep_filled, name="sandbox-pool", daemon=True)
        self._thread.start()

    @contextmanager
    def borrow(self, limits: Limits) -> Iterator[W]:
        """Lend a worker that may use `limits`; it is destroyed afterwards, whatever happens.

        Raises:
            SandboxError: If none can be started.
            PoolClosedError: If the pool was closed.
        """
        with self._changed:
            self._lent += 1
            self._changed.notify_all()
        worker: W | None = None
        try:
            worker = self._take() if _same_launch(limits, self._limits) else self._start(limits)
            yield worker
        finally:
            try:
                if worker is not None:
                    worker.close()
            finally:
                with self._changed:
                    self._lent -= 1
                    self._changed.notify_all()

    def close(self, timeout_s: float = 30.0) -> None:
        """Stop launching, destroy the ready workers, wait for the lent ones to be given back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        while self._ready:
            self._ready.popleft().close()

    def _take(self) -> W:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._failure or self._closed)
                if self._closed:
                    raise PoolClosedError("the sandbox was stopped")
                if not self._ready:
                    assert self._failure is not None
                    raise self._failure
                worker = self._ready.popleft()
                self._changed.notify_all()
            if not worker.wait(0):
                return worker
            worker.close()  # it died while it waited, such as when the engine was restarted

    def _start(self, limits: Limits) -> W:
        try:
            return self._launch(limits)
        except Exception as error:
            raise as_sandbox_error("a sandbox worker could not be started", error) from error

    def _keep_filled(self) -> None:
        try:
            self._fill()
        finally:  # also if a bug ended it: whoever waits for a worker must not wait for ever
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _fill(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    # The lent ones are given back first: the end of this thread would end them.
                    self._changed.wait_for(lambda: self._lent == 0)
                    return
            try:
                worker = self._start(self._limits)
            except SandboxError as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closed, timeout=_RETRY_S)
                continue
            with self._changed:
                self._failure = None
                self._ready.append(worker)
                self._changed.notify_all()

    @property
    def _wanted(self) -> bool:
        return len(self._ready) < max(1, self._workers - self._lent)


def as_sandbox_error(what: str, error: Exception) -> SandboxError:
    """Return an error of the host as one of the sandbox: nothing can be said of the job, which may be tried again.

    Args:
        what: What could not be done, for people.
        error: Why; one that is a `SandboxError` already is returned as it is.
    """
    if isinstance(error, SandboxError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return SandboxError(f"{what}: the disk is full{where}: free some space")
    return SandboxError(f"{what}: {type(error).__name__}: {error}")


def _same_launch(a: Limits, b: Limits) -> bool:
    """Whether one and the same worker could serve both: wall time and printing are watched from outside."""
    return dataclasses.replace(a, wall_s=b.wall_s, stdio_kib=b.stdio_kib) == b
