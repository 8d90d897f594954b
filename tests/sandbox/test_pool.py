from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from neuramosaic.errors import SandboxError
from sandbox.base import Limits
from sandbox.pool import PoolClosedError, WorkerPool

LIMITS = Limits()


class Fake:
    """A worker that does nothing."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.dead, self.closed = limits, False, False
        self.thread = threading.current_thread()

    def wait(self, timeout_s: float) -> bool:
        return self.dead

    def close(self) -> None:
        self.closed = True


class Launcher:
    """Makes workers, remembers them, fails when told to."""

    def __init__(self) -> None:
        self.made: list[Fake] = []
        self.failure: Exception | None = None

    def __call__(self, limits: Limits) -> Fake:
        if self.failure is not None:
            raise self.failure
        self.made.append(Fake(limits))
        return self.made[-1]

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while len(self.made) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(self.made) == count


@pytest.fixture
def launcher() -> Launcher:
    return Launcher()


def test_a_worker_is_ready_before_it_is_asked_for_and_never_lent_twice(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, LIMITS, workers=2)
    launcher.wait_for(2)
    with pool.borrow(LIMITS) as first:
        assert first is launcher.made[0]
        with pool.borrow(LIMITS) as second:
            assert second is launcher.made[1]
            launcher.wait_for(3)  # one is kept ready while all are lent
    assert first.closed
    assert second.closed
    with pool.borrow(LIMITS) as third:
        assert third is launcher.made[2]
    pool.close()
    assert all(worker.closed for worker in launcher.made)


def test_a_worker_is_destroyed_also_if_its_job_raised(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, LIMITS, workers=1)
    with pytest.raises(RuntimeError, match="job"), pool.borrow(LIMITS) as worker:
        raise RuntimeError("job")
    assert worker.closed
    pool.close()


def test_other_limits_get_a_worker_of_their_own_but_wall_time_is_no_reason(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, LIMITS, workers=1)
    launcher.wait_for(1)
    with pool.borrow(dataclasses.replace(LIMITS, wall_s=1, stdio_kib=1)) as worker:
        assert worker is launcher.made[0]
    with pool.borrow(dataclasses.replace(LIMITS, memory_mib=1)) as worker:
        assert worker.limits.memory_mib == 1
        assert worker.thread is threading.current_thread()
    pool.close()


def test_a_worker_that_died_while_it_waited_is_not_lent(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, LIMITS, workers=1)
    launcher.wait_for(1)
    launcher.made[0].dead = True
    with pool.borrow(LIMITS) as worker:
        assert worker is launcher.made[1]
    assert launcher.made[0].closed
    pool.close()


def test_a_failure_to_launch_reaches_the_borrower(launcher: Launcher) -> None:
    launcher.failure = SandboxError("no engine")
    pool = WorkerPool(launcher, LIMITS, workers=1)
    with pytest.raises(SandboxError, match="no engine"), pool.borrow(LIMITS):
        pass
    pool.close()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OSError(28, "No space left on device", "/scratch/job-0"), r"the disk is full \(/scratch/job-0\)"),
        (OSError(28, "No space left on device"), "the disk is full: free some space"),
        (OSError(24, "Too many open files"), "OSError: .*Too many open files"),
        (RuntimeError("can't start new thread"), "RuntimeError: can't start new thread"),
    ],
)
@pytest.mark.parametrize("limits", [LIMITS, dataclasses.replace(LIMITS, memory_mib=1)])
def test_any_failure_to_launch_is_one_of_the_sandbox_and_the_pool_goes_on(
    launcher: Launcher, failure: Exception, said: str, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.pool._RETRY_S", 0.01)
    launcher.failure = failure
    pool = WorkerPool(launcher, LIMITS, workers=1)
    with pytest.raises(SandboxError, match=said) as caught, pool.borrow(limits):
        pass
    assert not isinstance(caught.value, PoolClosedError)
    assert caught.value.__cause__ is failure
    launcher.failure = None
    launcher.wait_for(1)
    with pool.borrow(LIMITS) as worker:
        assert worker is launcher.made[0]
    pool.close()


def test_a_closed_pool_refuses_and_waits_for_what_is_lent(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, LIMITS, workers=1)
    done = threading.Event()

    def work() -> None:
        with pool.borrow(LIMITS):
            done.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    launcher.wait_for(2)
    threading.Timer(0.2, done.set).start()
    pool.close()
    assert done.is_set()
    assert all(worker.closed for worker in launcher.made)
    with pytest.raises(PoolClosedError), pool.borrow(LIMITS):
        pass
    thread.join()
