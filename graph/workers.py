"""Threads that each run one trial, so that a slow trial never holds up a fast one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from neuramosaic.store.records import TrialOutcome, TrialRecord

#: How often the sandbox itself may fail on a trial, or on the writing of a component, before the session ends; the
#: study can be resumed then.
MAX_SANDBOX_FAILURES = 3

Work = Callable[[TrialRecord, threading.Event, Callable[[dict[str, Any]], None]], TrialOutcome | None]


@dataclass(frozen=True)
class Metrics:
    """Rows of a running trial's loss curve."""

    trial: TrialRecord
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """A trial whose work ended.

    Attributes:
        trial: The trial as it was started.
        outcome: What to tell the store; None if it was cancelled, or if `error` is set.
        error: What the work raised.
    """

    trial: TrialRecord
    outcome: TrialOutcome | None
    error: BaseException | None = None


class TrialWorkers:
    """A pool of threads that run trials and report through one queue. All store writes stay with the caller."""

    def __init__(self, work: Work, slots: int) -> None:
        """Make a pool.

        Args:
            work: Runs one trial; called with the trial, a cancel event and a receiver of metrics rows.
            slots: How many trials run at once.
        """
        self._work = work
        self._executor = ThreadPoolExecutor(slots, thread_name_prefix="trial")
        self._messages: queue.SimpleQueue[Metrics | Ended] = queue.SimpleQueue()
        self._cancel: dict[str, threading.Event] = {}
        self._held: list[Ended] = []

    @property
    def in_flight(self) -> frozenset[str]:
        """Ids of the trials submitted whose end was not collected yet, those held back among them."""
        return frozenset(self._cancel)

    def submit(self, trial: TrialRecord) -> None:
        """Start a trial."""
        cancel = self._cancel[trial.id] = threading.Event()

        def run() -> None:
            try:
                outcome = self._work(trial, cancel, lambda row: self._messages.put(Metrics(trial, [row])))
            except BaseException as error:  # noqa: BLE001 - carried to the caller, who decides
                self._messages.put(Ended(trial, None, error))
            else:
                self._messages.put(Ended(trial, outcome))

        self._executor.submit(run)

    def collect(self, timeout_s: float, *, only_end_of: str | None = None) -> list[Metrics | Ended]:
        """Wait for the first message, then return all that are there; an empty list after `timeout_s`.

        Args:
            timeout_s: How long to wait.
            only_end_of: The trial whose end is to be told next: the ends of others are held back until a later call
                lets them pass. None: any may end.
        """
        messages: list[Metrics | Ended] = [*self._held]
        self._held = []
        if not any(_passes(message, only_end_of) for message in messages):
            with suppress(queue.Empty):
                messages.append(self._messages.get(timeout=timeout_s))
        with suppress(queue.Empty):
            while True:
                messages.append(self._messages.get_nowait())
        passed = []
        for message in messages:
            if not _passes(message, only_end_of):
                assert isinstance(message, Ended)
                self._held.append(message)
                continue
            passed.append(message)
            if isinstance(message, Ended):
                self._cancel.pop(message.trial.id, None)
        return passed

    def cancel_all(self) -> None:
        """Ask every running trial to end; each still reports an `Ended`."""
        for event in self._cancel.values():
            event.set()

    def close(self) -> None:
        """Cancel what runs and wait for the threads."""
        self.cancel_all()
        self._executor.shutdown(wait=True, cancel_futures=True)


def _passes(message: Metrics | Ended, only_end_of: str | None) -> bool:
    return isinstance(message, Metrics) or only_end_of in (None, message.trial.id)
