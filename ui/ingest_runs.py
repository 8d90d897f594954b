"""Ingestion that outlives the page that asked for it: the command line in a process of its own, its result kept.

Each run has a folder below `artifacts/ingest`: what was asked, the lines that tell how it goes, and the result as
`neuramosaic ingest --json` prints it. A lock says whether the process lives; it is handed over like a study's.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.readings import FOLDER
from neuramosaic.errors import UsageError
from neuramosaic.store.store import now

RUNS, UPLOADS = ("artifacts", "ingest"), "uploads"
#: Characters of a progress log that are read, from its end.
TAIL_BYTES = 16_384
#: What this process has started: asked for its status now and then, so that nothing that ended stays a zombie.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class IngestRun:
    """One run.

    Attributes:
        folder: What is kept of it.
        references: What was asked for, as people named it.
        asked: When, UTC, ISO 8601.
        running: Whether its process lives.
    """

    folder: Path
    references: tuple[str, ...]
    asked: str
    running: bool

    @property
    def number(self) -> int:
        """From 1, in the order in which they were asked for."""
        return int(self.folder.name)

    @property
    def progress(self) -> list[str]:
        """The last lines of how it goes."""
        try:
            with (self.folder / "progress.log").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return []
        return text.strip().splitlines()[-200:]

    @property
    def records(self) -> list[dict[str, Any]]:
        """What came of each paper; empty while it runs, or if it ended without a result."""
        try:
            found = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [dict(item) for item in found] if isinstance(found, list) else []


def start_ingest(workspace: Path, references: Sequence[str], options: Mapping[str, Any]) -> IngestRun:
    """Start a run.

    Args:
        workspace: Directory of the workspace.
        references: arXiv ids, searches, PDF files.
        options: Options of `neuramosaic ingest` by name, without their dashes; True for one that takes no value, None
            for one that is not given.

    Raises:
        UsageError: If nothing is named.
    """
    named = [reference.strip() for reference in references if reference.strip()]
    if not named:
        raise UsageError("name a paper: an arXiv id, a search, or a PDF file")
    home = workspace.joinpath(*RUNS)
    home.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in home.iterdir() if path.name.isdigit()), default=0) + 1
    while True:
        folder = home / str(number)
        try:
            folder.mkdir()
            break
        except FileExistsError:  # another session was quicker
            number += 1
    shown = [Path(name).name if Path(name).is_absolute() else name for name in named]
    request = {"references": shown, "asked": now()}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    words = ["ingest", "--json", "--workspace", str(workspace.resolve())]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}", str(value)]
    with (
        (folder / "lock").open("w") as lock,
        (folder / "result.json").open("wb") as result,
        (folder / "progress.log").open("wb") as progress,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        _started[:] = [process for process in _started if process.poll() is None]
        process = subprocess.Popen(
            [sys.executable, "-m", "ui.cli", *words, "--", *named],
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=progress,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        _started.append(process)
    return _run(folder)


def ingest_runs(workspace: Path) -> list[IngestRun]:
    """Return the runs of a workspace, the newest first."""
    home = workspace.joinpath(*RUNS)
    if not home.is_dir():
        return []
    folders = [path for path in home.iterdir() if path.name.isdigit() and (path / "request.json").exists()]
    return [_run(path) for path in sorted(folders, key=lambda path: -int(path.name))]


def keep_upload(workspace: Path, name: str, content: bytes) -> Path:
    """Keep an uploaded PDF in the workspace under a harmless name; return where it is.

    Raises:
        UsageError: If it is no PDF.
    """
    if not content[:1024].lstrip().startswith(b"%PDF-"):
        raise UsageError(f"{name} is no PDF file")
    folder = workspace / FOLDER / UPLOADS
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9._ -]+", "_", Path(name).stem).strip(" .-_")[:80] or "paper"
    path = folder / f"{stem}.pdf"
    path.write_bytes(content)
    return path.resolve()


def _run(folder: Path) -> IngestRun:
    try:
        request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        request = {}
    references = tuple(str(item) for item in request.get("references", ()))
    return IngestRun(folder, references, str(request.get("asked", "")), _alive(folder / "lock"))


def _alive(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
