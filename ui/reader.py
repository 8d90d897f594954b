"""What the app reads of a workspace: cached by what the store says of itself, so that a view asks as often as it likes.

A finished trial never changes, so it is parsed once. What can change (waiting and running trials, the journal) is read
anew when the store has a new event; loss curves of running trials each time. A list or a plot of 20,000 trials needs
little of each: `table` and `outlines` leave the rest in the store.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from neuramosaic.store.records import Event, StudyRecord, TrialOutcome, TrialRecord, TrialState
from neuramosaic.store.rows import trial_record
from neuramosaic.store.store import FILE_NAME, Store

if TYPE_CHECKING:  # loads Chroma, which only the search of papers needs
    from knowledge.library import Library

T = TypeVar("T")

#: Columns of `Reader.table`, with what they hold.
COLUMNS = (
    "id", "number", "state", "source", "label", "components", "params", "seed", "rung", "fidelity_tokens", "parent",
    "val_loss", "seconds", "reason", "created", "finished", "finish_order", "architecture_id", "cost_flops",
)  # fmt: skip
_BRIEFLY = (
    "SELECT id, number, state, source, label, components, params, seed, rung, fidelity_tokens, parent, val_loss,"
    " json_extract(outcome, '$.seconds') AS seconds, json_extract(outcome, '$.reason') AS reason, created, finished,"
    " finish_order, architecture_id, json_extract(outcome, '$.cost_flops') AS cost_flops, started, attempts, corpus"
    " FROM trials WHERE study = ? AND (finish_order IS NULL OR finish_order > ?)"
)
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
        self._making: dict[tuple[Any, ...], threading.Lock] = {}
        self._brief: dict[str, dict[int, dict[str, Any]]] = {}
        self._library: Library | None = None

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
            making = self._making.setdefault(wanted, threading.Lock())
        if kept is not None and kept[0] == version:
            value: T = kept[1]
            return value
        with making:  # ten sessions that ask at once have it made once
            with self._lock:
                kept = self._derived.get(wanted)
            if kept is not None and kept[0] >= version:
                value = kept[1]
                return value
            value = make()
        with self._lock:
            self._derived.pop(wanted, None)
            self._derived[wanted] = (version, value)
            while len(self._derived) > KEPT:
                oldest = next(iter(self._derived))
                self._derived.pop(oldest)
                self._making.pop(oldest, None)
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
        frame = pd.DataFrame(self._rows(study), columns=list(COLUMNS))
        frame["components"] = [_names(value) for value in frame["components"]]
        for name in ("val_loss", "seconds", "cost_flops"):
            frame[name] = pd.to_numeric(frame[name])
        return frame

    def _rows(self, study: str) -> list[dict[str, Any]]:
        """Return what lists need of each trial, by number; a finished one is read once."""
        with self._lock:
            done = self._brief.setdefault(study, {})
            last = max((row["finish_order"] for row in done.values()), default=0)
        found = {row["number"]: row for row in self.store.rows(_BRIEFLY, (study, last))}
        with self._lock:
            done.update({number: row for number, row in found.items() if row["finish_order"] is not None})
            found |= done
        return [found[number] for number in sorted(found)]

    def outlines(self, study: str) -> list[TrialRecord]:
        """Return the trials of a study by number without their architecture, their checks and their environment.

        Who leads, the best so far and the effects of components need no more, and 20,000 are there in half a second.
        """
        return self.derived(study, "outlines", lambda: [_outline(study, row) for row in self._rows(study)])

    def trials(self, study: str) -> list[TrialRecord]:
        """Return all trials of a study by number; the finished ones are parsed once."""
        return self.derived(study, "trials", lambda: self._trials(study))

    def _trials(self, study: str) -> list[TrialRecord]:
        numbers = [row["number"] for row in self.store.rows("SELECT number FROM trials WHERE study = ?", (study,))]
        with self._lock:
            done = self._finished.setdefault(study, {})
            wanted = [number for number in numbers if number not in done]
        found: dict[int, TrialRecord] = {}
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

    def points(self, trial: str, most: int = 200) -> list[dict[str, Any]]:
        """Return at most about so many rows of a loss curve, evenly spread, those with a val loss and the last kept."""
        rows = self.curve(trial)
        every = max(1, -(-len(rows) // most))
        last = len(rows) - 1

        def kept(place: int) -> bool:
            return not place % every or place == last or rows[place].get("val_loss") is not None

        return [row for place, row in enumerate(rows) if kept(place)]

    def events(
        self,
        study: str,
        *,
        last: int = 200,
        trial: str | None = None,
        agents: Sequence[str] = (),
        kinds: Sequence[str] = (),
        text: str = "",
    ) -> list[Event]:
        """Return the newest part of a study's journal, oldest first.

        Args:
            study: The study.
            last: How many events, at most.
            trial: Of one trial only, if given.
            agents: Only those of these agents, if any is named.
            kinds: Only those of these kinds, likewise.
            text: Only those whose message has this text, whatever its case.
        """
        where, parameters = "", []
        if trial is not None:
            where, parameters = " AND trial = ?", [trial]
        for column, names in (("agent", agents), ("kind", kinds)):
            if names:
                where += f" AND {column} IN ({', '.join('?' * len(names))})"
                parameters += names
        if text:
            where += " AND instr(lower(message), lower(?)) > 0"
            parameters.append(text)
        rows = self.store.rows(
            f"SELECT * FROM (SELECT * FROM events WHERE study = ?{where} ORDER BY id DESC LIMIT ?) ORDER BY id",
            (study, *parameters, last),
        )
        return [Event(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def last_of_agents(self, study: str) -> dict[str, Event]:
        """Return the newest line that each agent wrote in a study's journal."""
        rows = self.store.rows(
            "SELECT * FROM events WHERE id IN (SELECT max(id) FROM events WHERE study = ? GROUP BY agent)", (study,)
        )
        return {row["agent"]: Event(**{**row, "data": json.loads(row["data"])}) for row in rows}

    def create(self) -> Store:
        """Return the store; the workspace is made if there is none."""
        if not self.exists:
            Store.open(self.workspace).close()
        return self.store

    def library(self) -> Library:
        """Return the library of papers, which makes the workspace, and keeps its embedder loaded from the first use."""
        from graph.bookshelf import workspace_library

        store = self.create()
        with self._lock:
            if self._library is None:
                self._library = workspace_library(store, self.workspace)
            return self._library

    def running(self, study: str) -> bool:
        """Whether a living process runs the study."""
        from graph.control import is_running

        return is_running(study, self.workspace)


def newest(studies: Sequence[StudyRecord]) -> str | None:
    """Return the id of the newest study, or None."""
    return studies[-1].id if studies else None


@functools.lru_cache(maxsize=4096)
def _names(components: str) -> tuple[str, ...]:
    return tuple(json.loads(components))


def _outline(study: str, row: dict[str, Any]) -> TrialRecord:
    state = TrialState(row["state"])
    outcome = None
    if state.finished:
        metrics = {} if row["val_loss"] is None else {"val_loss": row["val_loss"]}
        outcome = TrialOutcome(state, metrics, row["reason"] or "", row["seconds"] or 0.0, row["cost_flops"])
    return TrialRecord(
        id=row["id"],
        study=study,
        number=row["number"],
        state=state,
        architecture={},
        architecture_id=row["architecture_id"],
        source=row["source"],
        label=row["label"],
        components=_names(row["components"]),
        params=row["params"],
        seed=row["seed"],
        rung=row["rung"],
        fidelity_tokens=row["fidelity_tokens"],
        parent=row["parent"],
        corpus=row["corpus"],
        commit=None,
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        attempts=row["attempts"],
        finish_order=row["finish_order"],
        outcome=outcome,
    )
