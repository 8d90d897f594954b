"""Starting, finding and stopping the process that runs a study; light, so that a command that only looks is quick.

The command line and the app start a session with `launch`, watch it through the store, and steer it through the store's
table of commands. Closing the terminal or the browser stops nothing. A session holds a lock file while it lives, so
that a study never runs twice at once, and so that a killed session is told from a living one.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from neuramosaic.errors import UsageError
from neuramosaic.steering.commands import SESSION_KINDS
from neuramosaic.store.records import Event, StudyState
from neuramosaic.store.store import Store

#: How often a lock is tried, 0.05 s apart.
LOCK_ATTEMPTS = 10
#: Kinds of the journal's entries of the session at the beginning and at the end of a pause.
PAUSED, GOES_ON = "paused", "goes on"


def is_running(study: str, workspace: Path) -> bool:
    """Whether a living process runs the study."""
    path = _lock_path(study, workspace)
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def request_stop(study: str, workspace: Path) -> bool:
    """Ask a study to stop in good order; return whether it was running."""
    with Store.open(workspace, create=False) as store:
        store.study(study)
        if not is_running(study, workspace):
            return False
        store.push_command(study, "stop")
        return True


def launch(study: str, workspace: Path) -> subprocess.Popen[bytes]:
    """Start a session in a process of its own that outlives this one; it writes `artifacts/STUDY/session.log`.

    The lock is taken here and handed over, so that the study counts as running, and can be stopped, from now on.

    Raises:
        UsageError: If a process runs the study already.
    """
    with hold_lock(study, workspace) as lock, log_path(study, workspace).open("ab") as output:
        with Store.open(workspace, create=False) as store:
            discard_commands(store, study)
            # Said before the process exists: one that dies at once is then found RUNNING without a lock, which is dead.
            store.set_study_state(study, StudyState.RUNNING)
        return subprocess.Popen(
            [sys.executable, "-m", "graph.session", str(workspace.resolve()), study, str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )


def discard_commands(store: Store, study: str) -> None:
    """Drop what was asked of an earlier session alone, which died before it could do it; what steers a study stays."""
    for command in store.pending_commands(study):
        if command.kind in SESSION_KINDS:
            store.finish_command(command.id)


def seconds_spent(events: Sequence[Event]) -> float:
    """Return the wall time that a study's sessions took together, in seconds, from its journal.

    A session begins with its "started" event and ends with the last event before the next one begins: a killed session
    counts up to its last sign of life. A pause does not count.
    """
    total, begin, last = 0.0, None, None
    for event in events:
        at = datetime.fromisoformat(event.time).timestamp()
        kind = event.kind if event.agent == "session" else ""
        if kind == PAUSED and begin is not None:
            total, begin = total + at - begin, None
        elif kind in ("started", GOES_ON):
            if begin is not None and last is not None:
                total += last - begin
            begin = at
        last = at
    if begin is not None and last is not None:
        total += last - begin
    return total


def log_path(study: str, workspace: Path) -> Path:
    """Return where a session's output goes."""
    return workspace / "artifacts" / study / "session.log"


def _lock_path(study: str, workspace: Path) -> Path:
    return workspace / "artifacts" / study / "session.lock"


@contextmanager
def hold_lock(study: str, workspace: Path) -> Iterator[int]:
    """Hold a study's lock, and yield its file descriptor; a child that inherits the descriptor holds the lock too.

    Raises:
        UsageError: If another process holds it.
    """
    path = _lock_path(study, workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for attempt in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if attempt == LOCK_ATTEMPTS - 1:
                    raise UsageError(f"study {study} is running already: watch it with 'status {study}'") from error
                time.sleep(0.05)  # somebody may only be looking, in `is_running`
        yield file.fileno()
