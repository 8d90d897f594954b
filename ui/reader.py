"""What the app reads of a workspace: cached by what the store says of itself, so that a view asks as often as it likes.

A finished trial never changes, so it is parsed once. What can change (waiting and running trials, the journal) is read
anew when the store has a new event; loss curves of running trials each time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from neuramosaic.store.records import Event, StudyRecord, TrialRecord
from neuramosaic.store.rows import trial_record
from neuramosaic.store.store import FILE_NAME, Store

T = TypeVar("T")

#: Columns of `Reader.table`, with what they hold.
COLUMNS = (
    "id", "number", "state", "source", "label", "components", "params", "seed", "rung", "fidelity_tokens", "parent",
    "val_loss", "seconds", "reason", "created", "finished", "finish_order", "architecture_id",
)  # fmt: skip
#: How many derived values are kept.
KEPT = 256
#: How many trials are fetched with one query.
AT_ONCE = 500


class Reader:
    """Reads one workspace for all sessions of the app. Threads may share it.

    Args:
        workspace: Its directory; it need not exist yet.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._finished: dict[str, dict[int, TrialRecord]] = {}
        self._derived: dict[tuple[Any, ...], Any] = {}

    @property
    def exists(self) -> bool:
        """Whether there is anything to read."""
        return (self.workspace / FILE_NAME).exists()

    @property
    def store(self) -> Store:
        """The store, opened at first use.

        Raises:
            StoreError: If there is no workspace, or it cannot be read.
        """
        with self._lock:
            if self._store is None:
                self._store = Store.open(self.workspace, create=False)
            return self._store

    def version(self, study: str) -> int:
        """Return a number that rises whenever something of a study changes, its running loss curves excepted."""
        (row,) = self.store.rows(
            "SELECT (SELECT coalesce(max(id), 0) FROM events WHERE study = ?) AS e,"
            " (SELECT coalesce(max(id), 0) FROM commands WHERE study = ?) AS c,"
            " (SELECT count(*) FROM commands WHERE study = ? AND finished IS NOT NULL) AS f",
            (study, study, study),
        )
        return int(row["e"]) + int(row["c"]) + int(row["f"])

    def derived(self, study: str, name: str, make: Callable[[], T], *key: Any) -> T:
        """Return a value that is made from a study once for each of its versions, and shared: do not change it.

        Args:
            study: The study.
            name: What it is.
            make: Makes it.
            key: What else it depends on.
        """
        wanted = (study, name, *key)
        version = self.version(study)
        with self._lock:
            kept = self._derived.get(wanted)
            if kept is not None and kept[0] == version:
                value: T = kept[1]
                return value
        value = make()
        with self._lock:
            self._derived.pop(wanted, None)
            self._derived[wanted] = (version, value)
            while len(self._derived) > KEPT:
                self._derived.pop(next(iter(self._derived)))
        return value

    def studies(self) -> list[StudyRecord]:
        """Return the studies, oldest first; none where there is no workspace."""
        return self.store.studies() if self.exists else []

    def study(self, study: str) -> StudyRecord:
        """Return a study.

        Raises:
            NotFoundError: If there is none of this id.
        """
        return self.store.study(study)

    def table(self, study: str) -> pd.DataFrame:
        """Return a study's trials as a table, a row for each, with `COLUMNS`: what lists and plots need, and no more.

        `components` is a tuple of `slot:name`; `val_loss` is NaN unless COMPLETE, `seconds` until finished.
        """
        return self.derived(study, "table", lambda: self._table(study))

    def _table(self, study: str) -> pd.DataFrame:
        rows = self.store.rows(
            "SELECT id, number, state, source, label, components, params, seed, rung, fidelity_tokens, parent,"
            " val_loss, json_extract(outcome, '$.seconds') AS seconds, json_extract(outcome, '$.reason') AS reason,"
            " created, finished, finish_order, architecture_id FROM trials WHERE study = ? ORDER BY number",
            (study,),
        )
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["components"] = [tuple(json.loads(value)) for value in frame["components"]]
        for name in ("val_loss", "seconds"):
            frame[name] = pd.to_numeric(frame[name])
        return frame

    def trials(self, study: str) -> list[TrialRecord]:
        """Return all trials of a study by number; the finished ones are parsed once."""
        return self.derived(study, "trials", lambda: self._trials(study))

    def _trials(self, study: str) -> list[TrialRecord]:
        numbers = [row["number"] for row in self.store.rows("SELECT number FROM trials WHERE study = ?", (study,))]
        with self._lock:
            done = self._finished.setdefault(study, {})
            wanted = [number for number in numbers if number not in done]
        found = {}
        for begin in range(0, len(wanted), AT_ONCE):
            part = wanted[begin : begin + AT_ONCE]
            marks = ", ".join("?" * len(part))
            rows = self.store.rows(f"SELECT * FROM trials WHERE study = ? AND number IN ({marks})", (study, *part))
            found |= {row["number"]: trial_record(row) for row in rows}
        with self._lock:
            done.update({number: trial for number, trial in found.items() if trial.state.finished})
            found |= {number: done[number] for number in numbers if number in done}
        return [found[number] for number in sorted(found)]

    def trial(self, trial: str) -> TrialRecord:
        """Return a trial.

        Raises:
            NotFoundError: If there is none of this id.
        """
        return self.store.trial(trial)

    def curve(self, trial: str) -> list[dict[str, Any]]:
        """Return the loss curve of a trial's last attempt, by tokens."""
        return self.store.curve(trial)

    def events(self, study: str, *, last: int = 200, trial: str | None = None) -> list[Event]:
        """Return the newest part of a study's journal, oldest first.

        Args:
            study: The study.
            last: How many events, at most.
            trial: Of one trial only, if given.
        """
        where, parameters = ("", ()) if trial is None else (" AND trial = ?", (trial,))
        rows = self.store.rows(
            f"SELECT * FROM (SELECT * FROM events WHERE study = ?{where} ORDER BY id DESC LIMIT ?) ORDER BY id",
            (study, *parameters, last),
        )
        return [Event(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def running(self, study: str) -> bool:
        """Whether a living process runs the study."""
        from graph.control import is_running

        return is_running(study, self.workspace)


def newest(studies: Sequence[StudyRecord]) -> str | None:
    """Return the id of the newest study, or None."""
    return studies[-1].id if studies else None
