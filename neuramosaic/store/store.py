"""The store: studies, trials, curves, events and commands of one workspace, in SQLite."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from neuramosaic.canonical import canonical_json
from neuramosaic.errors import (
    InvalidValueError,
    NewerWorkspaceError,
    NotFoundError,
    StoreError,
    TrialFinishedError,
)
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.migrations import LATEST, migrations
from neuramosaic.store.records import (
    Command,
    ComponentRecord,
    Event,
    StudyRecord,
    StudyState,
    TrialOutcome,
    TrialRecord,
    TrialState,
)
from neuramosaic.store.rows import component_record, outcome_json, study_record, trial_record

FILE_NAME = "neuramosaic.db"


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """One workspace's database. Safe to use from several threads and several processes at once.

    Every write is one transaction. Trials end through `tell` alone; the database refuses to change a finished one.
    """

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._lock = threading.RLock()
        self.path = path

    @classmethod
    def open(cls, workspace: Path, *, create: bool = True) -> Store:
        """Open a workspace's store and bring its schema up to date.

        Args:
            workspace: Directory of the workspace.
            create: Make the workspace if it does not exist.

        Raises:
            StoreError: If there is no workspace and `create` is False, or it cannot be read or written.
            NewerWorkspaceError: If a newer NeuraMosaic wrote it; nothing is changed.
        """
        path = workspace / FILE_NAME
        if not create and not path.exists():
            raise StoreError(f"no workspace at {workspace}: name one with --workspace, or start a study with 'run'")
        try:
            workspace.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the workspace {workspace}: {error}") from error
        db = Database(connection)
        store = cls(db, path)
        try:
            with store._guard():
                found = int(db.execute("PRAGMA user_version").fetchone()[0])
                if found > LATEST:
                    raise NewerWorkspaceError(str(path), found, LATEST)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("PRAGMA foreign_keys = ON")
                if found < LATEST:
                    migrations.apply(db)
                    db.execute(f"PRAGMA user_version = {LATEST}")
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Close the connection. The store cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Hold the lock, and turn what SQLite says into one clear line."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                text = str(error)
                if "disk is full" in text or "disk I/O" in text:
                    text = f"the disk is full or failing ({text}): free some space, then resume; nothing is lost"
                raise StoreError(f"{self.path}: {text}") from error

    @contextmanager
    def write(self) -> Iterator[Database]:
        """One write transaction, begun with the write lock so that it never fails half-way for another writer."""
        with self._guard():
            connection = self._db.conn
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query as dicts by column."""
        with self._guard():
            cursor = self._db.conn.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    # -- studies -------------------------------------------------------------------------------------------------------

    def create_study(
        self,
        prefix: str,
        config: Mapping[str, Any],
        task: Mapping[str, Any],
        space_version: str,
        components: Sequence[Mapping[str, str]] = (),
    ) -> StudyRecord:
        """Make a study whose id is a prefix and the next free number.

        Args:
            prefix: Such as "python-code".
            config: The study configuration as JSON.
            task: What is known of the task's data, as JSON.
            space_version: Content id of the space's definition.
            components: The added components that its space has: slot, name, version.
        """
        time = now()
        with self.write() as db:
            taken = [row[0] for row in db.conn.execute("SELECT id FROM studies WHERE id LIKE ?", (f"{prefix}-%",))]
            numbers = [int(name.rsplit("-", 1)[1]) for name in taken if name.rsplit("-", 1)[1].isdigit()]
            study = f"{prefix}-{max(numbers, default=0) + 1}"
            db.conn.execute(
                "INSERT INTO studies (id, state, config, task, space_version, components, created, updated, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
                (
                    study,
                    StudyState.CREATED,
                    canonical_json(config),
                    canonical_json(task),
                    space_version,
                    canonical_json([dict(item) for item in components]),
                    time,
                    time,
                ),
            )
        return self.study(study)

    def study(self, study: str) -> StudyRecord:
        """Return a study.

        Raises:
            NotFoundError: If there is none of this id.
        """
        rows = self.rows("SELECT * FROM studies WHERE id = ?", (study,))
        if not rows:
            raise NotFoundError("study", study, [row["id"] for row in self.rows("SELECT id FROM studies")])
        return study_record(rows[0])

    def studies(self) -> list[StudyRecord]:
        """Return all studies, oldest first."""
        return [study_record(row) for row in self.rows("SELECT * FROM studies ORDER BY rowid")]

    def set_study_state(self, study: str, state: StudyState, *, message: str = "", pid: int | None = None) -> None:
        """Say where a study stands."""
        with self.write() as db:
            db.conn.execute(
                "UPDATE studies SET state = ?, message = ?, pid = ?, updated = ? WHERE id = ?",
                (state, message, pid, now(), study),
            )

    def set_study_config(self, study: str, config: Mapping[str, Any]) -> None:
        """Replace a study's configuration, as when it is given more trials."""
        with self.write() as db:
            db.conn.execute(
                "UPDATE studies SET config = ?, updated = ? WHERE id = ?", (canonical_json(config), now(), study)
            )

    def extend_study_space(self, study: str, component: Mapping[str, str], space_version: str) -> None:
        """Let a component join the space of a study; doing it again changes nothing.

        Args:
            study: Id of the study.
            component: Its slot, name and version.
            space_version: Content id of the space with it.
        """
        added = [dict(item) for item in self.study(study).components]
        if dict(component) not in added:
            added.append(dict(component))
        with self.write() as db:
            db.conn.execute(
                "UPDATE studies SET components = ?, space_version = ?, updated = ? WHERE id = ?",
                (canonical_json(added), space_version, now(), study),
            )

    # -- components ----------------------------------------------------------------------------------------------------

    def add_component(self, record: ComponentRecord) -> ComponentRecord:
        """Keep a component; adding the same version again makes it the newest and changes nothing else."""
        with self.write() as db:
            row = {**asdict(record), "created": now()}
            row["rule"], row["checks"] = canonical_json(record.rule), canonical_json([*map(dict, record.checks)])
            for present in self._versions(record.slot, record.name, record.version):
                row = {key: value for key, value in present.items() if key != "id"}
            names = ", ".join(f'"{name}"' for name in row)
            db.conn.execute(
                f"INSERT OR REPLACE INTO components ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values())
            )
        return self.component(record.slot, record.name, record.version)

    def components(self) -> list[ComponentRecord]:
        """Return the newest version of each added component, in the order in which they were added."""
        rows = self.rows(
            "SELECT * FROM components WHERE id IN (SELECT max(id) FROM components GROUP BY slot, name) ORDER BY id"
        )
        return [component_record(row) for row in rows]

    def component(self, slot: str, name: str, version: str) -> ComponentRecord:
        """Return one version of an added component.

        Raises:
            NotFoundError: If there is none.
        """
        rows = self._versions(slot, name, version)
        if not rows:
            raise NotFoundError(f"version {version} of {slot}", name)
        return component_record(rows[0])

    def _versions(self, slot: str, name: str, version: str) -> list[dict[str, Any]]:
        """Return the row of one version of an added component, if there is one."""
        return self.rows("SELECT * FROM components WHERE slot = ? AND name = ? AND version = ?", (slot, name, version))

    # -- trials --------------------------------------------------------------------------------------------------------

    def add_trial(
        self,
        study: str,
        number: int,
        architecture: Architecture,
        *,
        source: str,
        params: int,
        seed: int,
        rung: int,
        fidelity_tokens: int,
        corpus: str,
        asked: int,
        parent: str | None = None,
        proposal: Mapping[str, Any] | None = None,
    ) -> TrialRecord:
        """Add a WAITING trial; adding the same number with the same architecture again changes nothing.

        The store notes the version of the study's space and how many of its trials have finished.

        Raises:
            StoreError: If the number is taken by another architecture.
        """
        trial = f"{study}.{number}"
        with self.write() as db:
            row = db.conn.execute("SELECT architecture_id, rung FROM trials WHERE id = ?", (trial,)).fetchone()
            if row is None:
                values = {
                    "id": trial,
                    "study": study,
                    "number": number,
                    "state": TrialState.WAITING,
                    "architecture": architecture.canonical,
                    "architecture_id": architecture.id,
                    "source": source,
                    "label": architecture.label(),
                    "components": canonical_json(architecture.components()),
                    "params": params,
                    "seed": seed,
                    "rung": rung,
                    "fidelity_tokens": fidelity_tokens,
                    "parent": parent,
                    "corpus": corpus,
                    "created": now(),
                    "attempts": 0,
                    "asked": asked,
                    "proposal": canonical_json(dict(proposal or {})),
                }
                (values["space_version"],) = db.conn.execute(
                    "SELECT space_version FROM studies WHERE id = ?", (study,)
                ).fetchone()
                (values["after"],) = db.conn.execute(
                    "SELECT count(*) FROM trials WHERE study = ? AND finish_order IS NOT NULL", (study,)
                ).fetchone()
                marks = ", ".join("?" for _ in values)
                db.conn.execute(f"INSERT INTO trials ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
            elif tuple(row) != (architecture.id, rung):
                raise StoreError(f"trial {trial} exists already with another architecture")
        return self.trial(trial)

    def set_commit(self, trial: str, commit: str) -> None:
        """Record which commit of the workspace's code repository holds the trial's model.py."""
        with self.write() as db:
            db.conn.execute('UPDATE trials SET "commit" = ? WHERE id = ?', (commit, trial))

    def start_trial(self, trial: str) -> TrialRecord:
        """Mark a WAITING trial as RUNNING and count the attempt.

        Raises:
            TrialFinishedError: If it is finished.
        """
        self._transition(trial, TrialState.RUNNING, "attempts = attempts + 1, started = ?", (now(),))
        return self.trial(trial)

    def release_trial(self, trial: str) -> None:
        """Put a RUNNING trial that was interrupted back to WAITING; it will run again from its beginning.

        Raises:
            TrialFinishedError: If it is finished.
        """
        self._transition(trial, TrialState.WAITING, "started = NULL", ())

    def _transition(self, trial: str, state: TrialState, assignment: str, values: tuple[Any, ...]) -> None:
        with self.write() as db:
            row = db.conn.execute("SELECT state FROM trials WHERE id = ?", (trial,)).fetchone()
            if row is None:
                raise NotFoundError("trial", trial)
            if TrialState(row[0]).finished:
                raise TrialFinishedError(f"trial {trial} is {row[0]}: finished trials never change")
            db.conn.execute(f"UPDATE trials SET state = ?, {assignment} WHERE id = ?", (state, *values, trial))

    def tell(self, trial: str, outcome: TrialOutcome) -> TrialRecord:
        """Finish a trial. The only way to do so.

        Raises:
            TrialFinishedError: If it is finished already.
            InvalidValueError: If the outcome is not final, a metric is not finite, or a COMPLETE trial has no val_loss.
        """
        if not outcome.state.finished:
            raise InvalidValueError("outcome.state", str(outcome.state), "COMPLETE, PRUNED or FAILED")
        for name, value in outcome.metrics.items():
            if not math.isfinite(value):
                raise InvalidValueError(f"outcome.metrics.{name}", value, "a finite number")
        if outcome.state is TrialState.COMPLETE and "val_loss" not in outcome.metrics:
            raise InvalidValueError("outcome.metrics.val_loss", None, "a number for a COMPLETE trial")
        if outcome.state is not TrialState.COMPLETE and not outcome.reason:
            raise InvalidValueError("outcome.reason", outcome.reason, f"a reason for a {outcome.state} trial")
        record = self.trial(trial)
        if record.state.finished:
            raise TrialFinishedError(f"trial {trial} is {record.state}: finished trials never change")
        val_loss = outcome.metrics.get("val_loss") if outcome.state is TrialState.COMPLETE else None
        self._transition(
            trial,
            outcome.state,
            "finished = ?, params = coalesce(?, params), val_loss = ?, outcome = ?,"
            " finish_order = (SELECT coalesce(max(finish_order), 0) + 1 FROM trials WHERE study = ?)",
            (now(), outcome.params, val_loss, canonical_json(outcome_json(outcome)), record.study),
        )
        return self.trial(trial)

    def trial(self, trial: str) -> TrialRecord:
        """Return a trial.

        Raises:
            NotFoundError: If there is none of this id.
        """
        rows = self.rows("SELECT * FROM trials WHERE id = ?", (trial,))
        if not rows:
            known = self.rows("SELECT id FROM trials ORDER BY created DESC LIMIT 200")
            raise NotFoundError("trial", trial, [row["id"] for row in known])
        return trial_record(rows[0])

    def trials(self, study: str, states: Sequence[TrialState] = ()) -> list[TrialRecord]:
        """Return a study's trials by number, all of them or those in the given states.

        Raises:
            NotFoundError: If there is no such study.
        """
        marks = ", ".join("?" for _ in states)
        where = f" AND state IN ({marks})" if states else ""
        rows = self.rows(f"SELECT * FROM trials WHERE study = ?{where} ORDER BY number", (study, *states))
        if not rows:
            self.study(study)
        return [trial_record(row) for row in rows]

    # -- curves --------------------------------------------------------------------------------------------------------

    def add_metrics(self, trial: str, attempt: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows of a trial's loss curve; each has "tokens"; a row for the same tokens is replaced."""
        with self.write() as db:
            db.conn.executemany(
                'INSERT OR REPLACE INTO curves (trial, attempt, tokens, "row") VALUES (?, ?, ?, ?)',
                [(trial, attempt, int(row["tokens"]), canonical_json(dict(row))) for row in rows],
            )

    def curve(self, trial: str) -> list[dict[str, Any]]:
        """Return the loss curve of a trial's last attempt, by tokens."""
        rows = self.rows(
            'SELECT "row" FROM curves WHERE trial = ? AND attempt = (SELECT attempts FROM trials WHERE id = ?)'
            " ORDER BY tokens",
            (trial, trial),
        )
        return [json.loads(row["row"]) for row in rows]

    # -- events and commands -------------------------------------------------------------------------------------------

    def add_event(
        self,
        study: str,
        agent: str,
        kind: str,
        message: str,
        *,
        trial: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Append a line to a study's journal."""
        with self.write() as db:
            db.conn.execute(
                "INSERT INTO events (study, time, agent, kind, message, trial, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (study, now(), agent, kind, message, trial, canonical_json(data or {})),
            )

    def events(self, study: str, *, after: int = 0, trial: str | None = None) -> list[Event]:
        """Return a study's journal past event `after`, oldest first; of one trial only, if given."""
        where, parameters = ("", ()) if trial is None else (" AND trial = ?", (trial,))
        rows = self.rows(
            f"SELECT * FROM events WHERE study = ? AND id > ?{where} ORDER BY id", (study, after, *parameters)
        )
        return [Event(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def push_command(self, study: str, kind: str, payload: Mapping[str, Any] | None = None) -> int:
        """Ask a running study for something; it reads its commands between steps. Returns the command's id."""
        self.study(study)
        with self.write() as db:
            cursor = db.conn.execute(
                "INSERT INTO commands (study, kind, payload, created) VALUES (?, ?, ?, ?)",
                (study, kind, canonical_json(payload or {}), now()),
            )
            return int(cursor.lastrowid or 0)

    def pending_commands(self, study: str) -> list[Command]:
        """Return the commands that nobody has carried out yet, oldest first."""
        rows = self.rows(
            "SELECT id, study, kind, payload, created FROM commands WHERE study = ? AND finished IS NULL ORDER BY id",
            (study,),
        )
        return [Command(**{**row, "payload": json.loads(row["payload"])}) for row in rows]

    def finish_command(self, command: int) -> None:
        """Record that a command was carried out."""
        with self.write() as db:
            db.conn.execute("UPDATE commands SET finished = ? WHERE id = ?", (now(), command))
