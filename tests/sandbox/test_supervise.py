from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from neuramosaic.errors import SandboxError
from sandbox.base import Exit, Job, Limits, SandboxConfig
from sandbox.pool import PoolClosedError, WorkerPool
from sandbox.process import ProcessSandbox
from sandbox.supervise import Worker

LIMITS = Limits()
JOB = Job("job", {"kind": "script"}, {"script.py": b"pass"})


class FullDisk(ProcessSandbox):
    """A host that cannot start workers."""

    def launch(self, limits: Limits) -> Worker:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[FullDisk]:
    made = FullDisk(SandboxConfig(limits=LIMITS, allow_process=True, scratch=tmp_path / "scratch"))
    made.start()
    yield made
    made.stop()


def test_a_host_that_cannot_start_workers_cancels_no_job(sandbox: FullDisk, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(SandboxError, match="could not be started: the disk is full"):
            sandbox.run(JOB, limits=LIMITS, keep=tmp_path / "kept")


def test_a_pool_that_ended_by_itself_cancels_no_job(
    sandbox: FullDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: WorkerPool[Worker]) -> None:
        raise PoolClosedError("the sandbox was stopped")

    monkeypatch.setattr(WorkerPool, "_take", closed)
    cancel = threading.Event()
    with pytest.raises(SandboxError, match="no longer starts workers, though nobody stopped it") as caught:
        sandbox.run(JOB, limits=LIMITS, keep=tmp_path / "kept", cancel=cancel)
    assert not isinstance(caught.value, PoolClosedError)
    cancel.set()
    outcome = sandbox.run(JOB, limits=LIMITS, keep=tmp_path / "kept", cancel=cancel)
    assert (outcome.exit, outcome.reason) == (Exit.KILLED, "cancelled")


def test_a_disk_that_fills_while_a_job_is_handed_over_is_no_fault_of_the_job(
    sandbox: FullDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ready:
        """A worker whose job cannot be written."""

        def wait(self, timeout_s: float) -> bool:
            return False

        def close(self) -> None:
            pass

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/job/in/model.py")

    monkeypatch.setattr(WorkerPool, "_take", lambda _: Ready())
    monkeypatch.setattr(sandbox, "_run", full)
    with pytest.raises(SandboxError, match=r"could not run job: the disk is full \(/job/in/model.py\)"):
        sandbox.run(JOB, limits=LIMITS, keep=tmp_path / "kept")
