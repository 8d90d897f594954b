"""The conversation of a workspace: a file of JSON lines, which several processes and people append to.

An entry never changes. What comes of a proposal is a later entry that names it; only the first such entry counts.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from neuramosaic.errors import StoreError, UsageError
from neuramosaic.store.store import now

FILE = "chat.jsonl"
#: Bytes that are read from the end of a long conversation.
READ_BYTES = 1 << 20

EntryKind = Literal["said", "answer", "proposal", "decision"]


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        id: Rises by one, from 1.
        kind: `said` by a person; an `answer`; a `proposal` that waits for a person; a `decision` on a proposal.
        time: UTC, ISO 8601.
        by: Who said or decided it; empty for the program.
        study: The study that was looked at, or None.
        of: The entry that it belongs to.
        text: What was said.
        data: What it holds: an answer's JSON; a proposal's `commands` and `lines`; a decision's `confirmed`.
    """

    id: int
    kind: EntryKind
    time: str
    by: str = ""
    study: str | None = None
    of: int | None = None
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Transcript:
    """The conversation of a workspace.

    Args:
        workspace: Its directory; it is made with the first entry.
    """

    def __init__(self, workspace: Path) -> None:
        self.path = workspace / FILE

    def add(
        self,
        kind: EntryKind,
        *,
        by: str = "",
        study: str | None = None,
        of: int | None = None,
        text: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Append an entry.

        Raises:
            UsageError: If it decides what was decided already.
            StoreError: If the file cannot be written.
        """
        with self._locked() as file:
            entries = _read(file)
            if kind == "decision" and any(entry.kind == "decision" and entry.of == of for entry in entries):
                raise UsageError("this was decided already, perhaps by somebody else")
            last = entries[-1].id if entries else 0
            entry = Entry(last + 1, kind, now(), by, study, of, text, dict(data or {}))
            end = file.seek(0, 2)
            if end:  # whoever was killed while writing left a line without its end
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write((json.dumps(entry.__dict__, ensure_ascii=True) + "\n").encode())
            file.flush()
        return entry

    def entries(self) -> list[Entry]:
        """Return the newest part of the conversation, oldest first; lines that cannot be read are left out."""
        try:
            with self.path.open("rb") as file:
                return _read(file)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror or error}") from error

    def version(self) -> int:
        """Return a number that rises with each entry."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error


def decisions(entries: list[Entry]) -> dict[int, Entry]:
    """Return the decision of each proposal that was decided, by the proposal's id."""
    found: dict[int, Entry] = {}
    for entry in entries:
        if entry.kind == "decision" and entry.of is not None:
            found.setdefault(entry.of, entry)
    return found


def _read(file: IO[bytes]) -> list[Entry]:
    size = file.seek(0, 2)
    file.seek(max(0, size - READ_BYTES))
    rows = file.read().splitlines()
    if size > READ_BYTES:
        rows = rows[1:]  # the first one may have lost its beginning
    entries = []
    for row in rows:
        try:
            entries.append(Entry(**json.loads(row)))
        except (ValueError, TypeError):
            continue
    return entries
