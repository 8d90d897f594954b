"""What the backends share: hand a job to a worker, watch it, end it, bring home what it left.

A backend is only: how to launch a `Worker`, how to kill it, and how to say in what way it ended.
"""

from __future__ import annotations

import atexit
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuramosaic.errors import SandboxError
from sandbox.base import Exit, Job, Limits, Outcome, SandboxConfig
from sandbox.collect import Output
from sandbox.metrics import MetricsTail
from sandbox.pool import PoolClosedError, WorkerPool, as_sandbox_error
from sandbox.stdio import KEEP_FACTOR, Stdio
from sandbox.workdir import InputDirectory

POLL_S = 0.05
WARM = ".warm"
"""File in the output folder that says that a worker could take a job; see `sandbox.worker`."""
WARM_LIMIT_S = 180.0
_WARM_POLL_S = 0.02


@dataclass(frozen=True)
class Verdict:
    """Why a job is to be ended, or was.

    Attributes:
        exit: How its outcome will read.
        reason: For people.
    """

    exit: Exit
    reason: str


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended.

    Attributes:
        exit_code: As a shell would give it (128 + signal for a signal); None if the host killed it.
        out_of_memory: Whether the kernel killed something in it for memory.
    """

    exit_code: int | None
    out_of_memory: bool = False


_CANCELLED = Verdict(Exit.KILLED, "cancelled")


class Worker(ABC):
    """One single-use, pre-started process inside a sandbox, waiting for its job.

    Attributes:
        inputs: Where its job is put.
        output: Where it writes.
        stdio: What it prints.
        image: What it runs in.
    """

    inputs: InputDirectory
    output: Output
    stdio: Stdio
    image: str | None = None

    @abstractmethod
    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it has ended."""

    @abstractmethod
    def kill(self) -> None:
        """End every process in it. Returns when they are dead."""

    @abstractmethod
    def ending(self) -> Ending:
        """Return how it ended, once it has."""

    @abstractmethod
    def close(self) -> None:
        """Kill it if it lives and remove everything that it had on the host."""

    def breach(self, limits: Limits) -> Verdict | None:
        """Return the limit that the job has gone over, if this backend enforces one by watching."""
        del limits
        return None


class PooledSandbox(ABC):
    """A `Sandbox` whose workers are pre-started and thrown away after one job."""

    name: str

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self._stopping = threading.Event()
        self._pool: WorkerPool[Worker] | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def prepare(self) -> None:
        """Check that the backend works, make what its workers share, remove what killed processes left.

        Raises:
            SandboxUnavailableError: If it cannot run here.
        """

    @abstractmethod
    def launch(self, limits: Limits) -> Worker:
        """Start a worker that may use `limits`.

        Raises:
            SandboxError: If it cannot be started.
        """

    @abstractmethod
    def release(self) -> None:
        """Remove what `prepare` made."""

    def start(self) -> None:
        """Check that the backend works and begin to pre-start workers. A second call does nothing."""
        with self._lock:
            if self._pool is not None:
                return
            self.prepare()
            self._stopping.clear()
            self._pool = WorkerPool(self.launch, self.config.limits, self.config.workers)
            atexit.register(self.stop)

    def run(
        self,
        job: Job,
        *,
        limits: Limits,
        keep: Path,
        cancel: threading.Event | None = None,
        on_metrics: Callable[[dict[str, Any]], None] | None = None,
    ) -> Outcome:
        """Run one job to its end; see `Sandbox.run`.

        Raises:
            SandboxError: If the host or the engine failed, so that nothing can be said of the job.
        """
        pool = self._pool
        if pool is None:
            raise SandboxError(f"sandbox {self.name!r} is not started: call start() first")
        try:
            with pool.borrow(limits) as worker:
                return self._run(worker, job, limits, keep, cancel, on_metrics or _ignore)
        except PoolClosedError as error:
            if self._stopping.is_set() or (cancel is not None and cancel.is_set()):
                return Outcome(self.name, Exit.KILLED, None, 0.0, reason=_CANCELLED.reason)
            raise SandboxError(f"sandbox {self.name!r} no longer starts workers, though nobody stopped it") from error
        except OSError as error:
            raise as_sandbox_error(f"sandbox {self.name!r} could not run {job.name}", error) from error

    def _run(
        self,
        worker: Worker,
        job: Job,
        limits: Limits,
        keep: Path,
        cancel: threading.Event | None,
        on_metrics: Callable[[dict[str, Any]], None],
    ) -> Outcome:
        def cancelled() -> bool:
            return self._stopping.is_set() or (cancel is not None and cancel.is_set())

        tail = MetricsTail(worker.output, on_metrics)
        started = time.monotonic()
        verdict = None if _is_warm(worker, cancelled) else _CANCELLED
        if verdict is None:
            worker.stdio.resize(limits.stdio_kib * 1024)
            started = time.monotonic()
            worker.inputs.hand_over(job)
        while verdict is None and not worker.wait(POLL_S):
            tail.poll()
            verdict = _CANCELLED if cancelled() else _over_limit(worker, limits, time.monotonic() - started)
        seconds = time.monotonic() - started
        if verdict is not None:
            worker.kill()
        ending = worker.ending()
        worker.stdio.drain()
        tail.poll(to_end=True)
        files = worker.output.collect(keep, limits)
        verdict = verdict or _judge(worker, limits, ending)
        return Outcome(
            backend=self.name,
            exit=verdict.exit,
            exit_code=ending.exit_code,
            seconds=seconds,
            stdout_tail=worker.stdio.stdout.text(),
            stderr_tail=worker.stdio.stderr.text(),
            files=files,
            directory=keep,
            image=worker.image,
            reason=verdict.reason,
        )

    def stop(self) -> None:
        """End every worker, also those with a job, and remove what was made on the host."""
        with self._lock:
            if self._pool is None:
                return
            self._stopping.set()
            self._pool.close()
            self._pool = None
            self.release()
            atexit.unregister(self.stop)


def _is_warm(worker: Worker, cancelled: Callable[[], bool]) -> bool:
    """Wait until a worker could take a job; return False if the job was cancelled meanwhile.

    Until here nothing untrusted has run: a worker that fails is the fault of the sandbox, not of the job.

    Raises:
        SandboxError: If it ended, or is not ready in `WARM_LIMIT_S`.
    """
    deadline = time.monotonic() + WARM_LIMIT_S
    while worker.output.read(WARM, 0, 1) != b"1":
        if cancelled():
            return False
        late = time.monotonic() > deadline
        if late or worker.wait(_WARM_POLL_S):
            worker.kill()
            worker.stdio.drain()
            said = (worker.stdio.stderr.text().strip().splitlines() or ["it said nothing"])[-1]
            problem = f"was not ready after {WARM_LIMIT_S:.0f} s" if late else "ended before it had a job"
            raise SandboxError(f"a sandbox worker {problem}: {said}")
    return True


def _over_limit(worker: Worker, limits: Limits, seconds: float) -> Verdict | None:
    """Return the limit that a running job has gone over, if any."""
    if seconds > limits.wall_s:
        return Verdict(Exit.TIMEOUT, f"wall limit of {limits.wall_s:g} s")
    return _over_output(worker, limits) or worker.breach(limits)


def _over_output(worker: Worker, limits: Limits) -> Verdict | None:
    if worker.stdio.flooded:
        kept = KEEP_FACTOR * limits.stdio_kib
        return Verdict(Exit.OUTPUT_LIMIT, f"output limit: printed more than {kept} KiB")
    usage = worker.output.usage()
    reason = usage.exceeds(limits) if usage is not None else ""
    return Verdict(Exit.OUTPUT_LIMIT, reason) if reason else None


def _judge(worker: Worker, limits: Limits, ending: Ending) -> Verdict:
    """Say how a job that ended by itself ended."""
    flooded = _over_output(worker, limits)
    if flooded is not None:
        return flooded
    if ending.exit_code == 0:
        return Verdict(Exit.FINISHED, "")
    if ending.out_of_memory:
        return Verdict(Exit.OUT_OF_MEMORY, f"out of memory: more than {limits.memory_mib} MiB")
    return Verdict(Exit.ERROR, "")


def _ignore(_: dict[str, Any]) -> None:
    pass
