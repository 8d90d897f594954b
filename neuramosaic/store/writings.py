"""The writings: what a language model was asked to write in a workspace, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from neuramosaic.canonical import canonical_json, content_id
from neuramosaic.components.card import Card
from neuramosaic.errors import NotFoundError, StoreError
from neuramosaic.store.records import WritingRecord, WritingState
from neuramosaic.store.store import Store, now

#: The check that a writing failed which ended because its model did not answer.
UNANSWERED = "model"


def card_id(card: Card) -> str:
    """Return the content id of a card."""
    return content_id(card.model_dump(mode="json", exclude_defaults=True))


class Writings:
    """Records and finds the writings of a workspace. A finished one never changes.

    Args:
        store: The workspace's store; it stays open as long as this is used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        card: Card,
        *,
        source: str,
        study: str | None = None,
        number: int | None = None,
        proposal: Mapping[str, Any] | None = None,
    ) -> WritingRecord:
        """Add an OPEN writing; adding the same number of a study with the same card again changes nothing.

        Args:
            card: What is to be written.
            source: Where the card came from: llm, person, idea or paper.
            study: The study that asks for it, or None.
            number: Its number within the study; the next free one if not given.
            proposal: What its proposer said of it.

        Raises:
            StoreError: If the number is taken by another card.
        """
        with self._store.write() as db:
            if number is None:
                (number,) = db.conn.execute(
                    "SELECT coalesce(max(number), -1) + 1 FROM writings WHERE study IS ?", (study,)
                ).fetchone()
            writing = f"{study}.c{number}" if study else f"c{number}"
            row = db.conn.execute("SELECT card_id FROM writings WHERE id = ?", (writing,)).fetchone()
            if row is None:
                (after,) = db.conn.execute(
                    "SELECT count(*) FROM trials WHERE study IS ? AND finish_order IS NOT NULL", (study,)
                ).fetchone()
                record = WritingRecord(
                    id=writing,
                    source=source,
                    card=card.to_yaml(),
                    card_id=card_id(card),
                    slot=str(card.slot),
                    name=card.name,
                    state=WritingState.OPEN,
                    study=study,
                    number=number,
                    after=after,
                    proposal=dict(proposal or {}),
                    created=now(),
                )
                values = _row(record)
                names = ", ".join(f'"{name}"' for name in values)
                marks = ", ".join("?" for _ in values)
                db.conn.execute(f"INSERT INTO writings ({names}) VALUES ({marks})", tuple(values.values()))
            elif row[0] != card_id(card):
                raise StoreError(f"writing {writing} exists already with another card")
        return self.get(writing)

    def finish(self, writing: WritingRecord) -> WritingRecord:
        """Record what came of an OPEN writing.

        Args:
            writing: The record, with its final state and what was used.

        Raises:
            StoreError: If it is finished already, or its state is not final.
        """
        if writing.state is WritingState.OPEN or self.get(writing.id).state is not WritingState.OPEN:
            raise StoreError(f"writing {writing.id} is finished once, as VERIFIED or FAILED")
        values = _row(replace(writing, finished=now()))
        with self._store.write() as db:
            assignments = ", ".join(f'"{name}" = ?' for name in values)
            db.conn.execute(f"UPDATE writings SET {assignments} WHERE id = ?", (*values.values(), writing.id))
        return self.get(writing.id)

    def get(self, writing: str) -> WritingRecord:
        """Return a writing.

        Raises:
            NotFoundError: If there is none of this id.
        """
        rows = self._store.rows("SELECT * FROM writings WHERE id = ?", (writing,))
        if not rows:
            raise NotFoundError("writing", writing)
        return _record(rows[0])

    def of_study(self, study: str | None) -> list[WritingRecord]:
        """Return the writings of a study, or those outside any, by number."""
        rows = self._store.rows("SELECT * FROM writings WHERE study IS ? ORDER BY number", (study,))
        return [_record(row) for row in rows]

    def failed(self, card: Card, model: str, prompts: Mapping[str, str]) -> WritingRecord | None:
        """Return the newest failed writing of this card by this model with these prompts, or None.

        One that ended because the model did not answer is no failure at the card.
        """
        rows = self._store.rows(
            "SELECT * FROM writings WHERE card_id = ? AND model = ? AND prompts = ? AND state = ?"
            " ORDER BY finished DESC",
            (card_id(card), model, canonical_json(dict(prompts)), WritingState.FAILED),
        )
        records = map(_record, rows)
        return next((item for item in records if [f["check"] for f in item.failures][-1:] != [UNANSWERED]), None)


def _row(record: WritingRecord) -> dict[str, Any]:
    values = asdict(record)
    for name in ("proposal", "prompts"):
        values[name] = canonical_json(values[name])
    values["failures"] = canonical_json([dict(item) for item in record.failures])
    return values


def _record(row: Mapping[str, Any]) -> WritingRecord:
    values = dict(row)
    for name in ("proposal", "prompts"):
        values[name] = json.loads(row[name])
    return WritingRecord(
        **{**values, "failures": tuple(json.loads(row["failures"])), "state": WritingState(row["state"])}
    )
