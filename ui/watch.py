"""Watching a study through the store: what runs it is another process, which a closed terminal does not stop."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from graph.control import is_running, log_path
from neuramosaic.store.records import StudyState
from neuramosaic.store.store import Store
from ui.snapshot import Snapshot, take_snapshot

#: Seconds between two looks at the store.
POLL_S = 0.5


Start = Callable[[], subprocess.Popen[bytes]]


class View(Protocol):
    """What shows a study while it runs."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """Show where the study stands now."""
        ...

    def say(self, line: str) -> None:
        """Show a remark of the watcher itself."""
        ...


class Ending(Enum):
    """Why the watching ended."""

    FINISHED = "the study is finished"
    STOPPED = "the study was stopped in good order"
    FAILED = "the study failed; its message says why"
    DIED = "the process that ran the study is gone, and did not say why"
    LEFT = "the watcher left; the study goes on without it"


class Watcher:
    """Follows one study until whatever runs it ends.

    Args:
        store: Store of the workspace.
        study: Id of the study.
        workspace: Directory of the workspace.
        view: Where it is shown.
        start: Starts the session that is followed; None to follow one that somebody else started.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        workspace: Path,
        view: View,
        start: Callable[[], subprocess.Popen[bytes]] | None = None,
    ) -> None:
        self._store = store
        self._study = study
        self._workspace = workspace
        self._view = view
        events = store.events(study)
        self._seen = events[-1].id if events else 0
        self._process = start() if start is not None else None

    @property
    def _alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return is_running(self._study, self._workspace)

    def follow(self, stop: Callable[[], object] | None = None) -> tuple[Ending, Snapshot]:
        """Show the study until its process ends.

        Args:
            stop: Asks the study to stop; called once after the first Ctrl-C, as soon as the study can be asked. The
                second Ctrl-C leaves. None: the first one leaves.

        Returns:
            Why it ended, and how the study stood then.
        """
        snapshot = take_snapshot(self._store, self._study, self._alive)
        interrupted = asked = False
        with self._view:
            while True:
                try:
                    alive = self._alive  # before the store is read: what a dead process wrote is all there
                    snapshot = take_snapshot(self._store, self._study, alive)
                    self._view.show(snapshot)
                    if not alive:
                        return self._ending(snapshot), snapshot
                    if stop is not None and interrupted and not asked and self._begun(snapshot):
                        stop()
                        asked = True
                    time.sleep(POLL_S)
                except KeyboardInterrupt:
                    if stop is None or interrupted:
                        return Ending.LEFT, snapshot
                    interrupted = True
                    self._view.say(f"stopping {self._study} in good order; Ctrl-C again leaves without waiting")

    def _begun(self, snapshot: Snapshot) -> bool:
        """Whether the process has begun to run the study: before that, it heeds no command."""
        return any(event.kind == "started" and event.agent == "session" for event in snapshot.events_after(self._seen))

    def _ending(self, snapshot: Snapshot) -> Ending:
        if self._process is not None and not self._begun(snapshot):
            return Ending.DIED
        match snapshot.study.state:
            case StudyState.FINISHED:
                return Ending.FINISHED
            case StudyState.STOPPED:
                return Ending.STOPPED
            case StudyState.FAILED:
                return Ending.FAILED
            case _:
                return Ending.DIED


def last_words(study: str, workspace: Path) -> str:
    """Return the last line that the study's process wrote to its log, or where that log is."""
    path = log_path(study, workspace)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f"{lines[-1].strip()} (log: {path})" if lines else f"see {path}"
