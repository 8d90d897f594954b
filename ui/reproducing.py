"""Running a trial again from the app: the command line in a process of its own, which a closed browser does not stop.

What it says lies in the workspace, beside the trial's artifacts; a lock on the same folder tells whether it still runs.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuramosaic.errors import UsageError
from neuramosaic.store.records import TrialRecord

RESULT, MESSAGES, LOCK = "reproduce.json", "reproduce.log", "reproduce.lock"
#: Letters of the messages that are shown, from their end.
SHOWN = 2000


@dataclass(frozen=True)
class Rerun:
    """How the newest run of a trial from the app stands.

    Attributes:
        running: Whether its process lives.
        result: What `reproduce --json` printed, or None while it runs or if it failed.
        message: What else it said, the last of it.
    """

    running: bool
    result: dict[str, Any] | None
    message: str


def start_rerun(trial: TrialRecord, workspace: Path) -> None:
    """Start `neuramosaic reproduce` for a trial.

    Raises:
        UsageError: If it is being run again already.
    """
    folder = _folder(trial, workspace)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"trial {trial.id} is being run again already") from error
        command = [
            sys.executable,
            "-m",
            "ui.cli",
            "reproduce",
            trial.id,
            "--json",
            "--workspace",
            str(workspace.resolve()),
        ]
        with (folder / RESULT).open("wb") as result, (folder / MESSAGES).open("wb") as messages:
            # The child inherits the lock, and holds it as long as it lives.
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=messages,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )


def rerun_of(trial: TrialRecord, workspace: Path) -> Rerun | None:
    """Return how the newest run of a trial from the app stands, or None if there was none."""
    folder = _folder(trial, workspace)
    if not (folder / LOCK).exists():
        return None
    with (folder / LOCK).open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            running = False
        except BlockingIOError:
            running = True
    result = None
    try:
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        result = found if isinstance(found, dict) and "matches" in found else None
    except (OSError, ValueError):
        pass
    try:
        message = (folder / MESSAGES).read_text(encoding="utf-8", errors="replace").strip()[-SHOWN:]
    except OSError:
        message = ""
    return Rerun(running, result, message)


def _folder(trial: TrialRecord, workspace: Path) -> Path:
    return workspace / "artifacts" / trial.study / str(trial.number)
