"""The log of what was asked of a study while it ran: who, what, when it took effect, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from neuramosaic.canonical import canonical_json
from neuramosaic.errors import NotFoundError
from neuramosaic.steering.commands import Idea, SteeringCommand, command_from_json, describe, payload_of, slash
from neuramosaic.steering.force import Steering
from neuramosaic.store.store import Store, now


class CommandOutcome(StrEnum):
    """What came of a command."""

    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True)
class CommandRecord:
    """A command with what came of it.

    Attributes:
        id: Rises with time, over all studies of a workspace.
        study: Its study.
        command: What was asked for.
        by: Who asked; empty if not said.
        created: UTC, ISO 8601.
        finished: When it took effect or was refused; None while it waits.
        outcome: None while it waits, and of a command that only moved a session.
        effect: What came of it, in words.
        recorded: Small JSON that the effect depends on, such as a budget before and after.
        after: How many trials had finished when it took effect.
        trials: How many trials there were then.
        writings: How many writings there were then.
    """

    id: int
    study: str
    command: SteeringCommand
    by: str
    created: str
    finished: str | None = None
    outcome: CommandOutcome | None = None
    effect: str = ""
    recorded: Mapping[str, Any] = field(default_factory=dict)
    after: int = 0
    trials: int = 0
    writings: int = 0

    @property
    def pending(self) -> bool:
        """Whether it waits to take effect."""
        return self.finished is None

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it."""
        return {
            "command": self.id,
            "kind": self.command.kind,
            "slash": slash(self.command),
            "meaning": describe(self.command),
            "by": self.by or None,
            "created": self.created,
            "finished": self.finished,
            "outcome": "waits" if self.pending else str(self.outcome or "done"),
            "effect": self.effect or None,
            "after_trials": None if self.pending else self.after,
        }


class Commands:
    """The commands of a workspace's studies. One that took effect never changes.

    Args:
        store: The workspace's store; it stays open as long as this is used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def push(self, study: str, command: SteeringCommand, *, by: str = "") -> CommandRecord:
        """Ask a study for something; it takes effect when the study reads it.

        Raises:
            NotFoundError: If there is no such study.
        """
        self._store.study(study)
        with self._store.write() as db:
            cursor = db.conn.execute(
                'INSERT INTO commands (study, kind, payload, created, "by") VALUES (?, ?, ?, ?, ?)',
                (study, command.kind, canonical_json(payload_of(command)), now(), by),
            )
            made = int(cursor.lastrowid or 0)
        return self.get(study, made)

    def finish(
        self,
        record: CommandRecord,
        outcome: CommandOutcome,
        effect: str,
        recorded: Mapping[str, Any] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
    ) -> CommandRecord:
        """Record that a command took effect or was refused, and where among the study's events; only once.

        What it added by now does not count as having been there before it: an idea its writing, papers those whose
        proposal names the command.

        Args:
            record: The command.
            outcome: What came of it.
            effect: The same in words.
            recorded: What the effect depends on.
            config: The study's configuration with it, if it changes that; written in the same transaction.
        """
        with self._store.write() as db:
            if config is not None:
                db.conn.execute(
                    "UPDATE studies SET config = ?, updated = ? WHERE id = ?",
                    (canonical_json(dict(config)), now(), record.study),
                )
            db.conn.execute(
                "UPDATE commands SET finished = ?, outcome = ?, effect = ?, recorded = ?,"
                " after = (SELECT count(*) FROM trials WHERE study = ? AND finish_order IS NOT NULL),"
                " trials = (SELECT count(*) FROM trials WHERE study = ?),"
                " writings = (SELECT count(*) FROM writings WHERE study = ?"
                " AND json_extract(proposal, '$.command') IS NOT ?) - ?"
                " WHERE id = ? AND finished IS NULL",
                (
                    now(),
                    str(outcome),
                    effect,
                    canonical_json(dict(recorded or {})),
                    record.study,
                    record.study,
                    record.study,
                    record.id,
                    int(isinstance(record.command, Idea) and outcome is CommandOutcome.APPLIED),
                    record.id,
                ),
            )
        return self.get(record.study, record.id)

    def get(self, study: str, command: int) -> CommandRecord:
        """Return a command.

        Raises:
            NotFoundError: If the study has none of this id.
        """
        rows = self._store.rows("SELECT * FROM commands WHERE study = ? AND id = ?", (study, command))
        if not rows:
            known = self._store.rows("SELECT id FROM commands WHERE study = ? ORDER BY id DESC", (study,))
            raise NotFoundError("command", str(command), [str(row["id"]) for row in known])
        return _record(rows[0])

    def log(self, study: str) -> list[CommandRecord]:
        """Return all commands of a study, oldest first."""
        rows = self._store.rows("SELECT * FROM commands WHERE study = ? ORDER BY id", (study,))
        return [_record(row) for row in rows]

    def pending(self, study: str) -> list[CommandRecord]:
        """Return the commands that wait, oldest first."""
        rows = self._store.rows("SELECT * FROM commands WHERE study = ? AND finished IS NULL ORDER BY id", (study,))
        return [_record(row) for row in rows]


def applied(log: Sequence[CommandRecord]) -> list[CommandRecord]:
    """Return the commands of a log that took effect, in the order in which they did."""
    return [record for record in log if record.outcome is CommandOutcome.APPLIED]


def in_force(log: Sequence[CommandRecord]) -> Steering:
    """Return what is in force after a log."""
    return Steering.of((record.command, record.recorded) for record in applied(log))


def _record(row: Mapping[str, Any]) -> CommandRecord:
    payload = json.loads(row["payload"])
    # A stop of an older version carries whatever its writer put there.
    command = command_from_json(row["kind"], {} if row["kind"] == "stop" else payload)
    return CommandRecord(
        id=row["id"],
        study=row["study"],
        command=command,
        by=row["by"],
        created=row["created"],
        finished=row["finished"],
        outcome=CommandOutcome(row["outcome"]) if row["outcome"] else None,
        effect=row["effect"],
        recorded=json.loads(row["recorded"]),
        after=row["after"] or 0,
        trials=row["trials"] or 0,
        writings=row["writings"] or 0,
    )
