"""The ledger: every call of a language model that a workspace has seen, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from neuramosaic.canonical import canonical_json
from neuramosaic.store.store import Store, now

#: Outcome of an attempt that was answered; any other outcome is the kind of an error.
OK = "ok"


@dataclass(frozen=True)
class Call:
    """One attempt to have a request answered.

    Attributes:
        request: Content id of the request: the same in every run that asks the same thing at the same place.
        attempt: From 1; the attempts of one request differ in what earlier attempts taught.
        purpose: What it was for, in a word or two.
        provider: openai, local, replay ...
        model: Name of the model.
        prompt: Name of the prompt.
        prompt_version: Declared version and content hash of the prompt.
        messages: All that was sent: `[{"role", "content"}]`.
        parameters: The answer's JSON schema, temperature, max_tokens, sample ...
        outcome: `OK`, or the kind of error: rate_limited, server_error, timeout ...
        answer: The answer as it came, or None if none came.
        message: What was wrong, for people; empty if OK.
        tokens_in: Tokens of the prompt as the server counted them, or None if it did not say.
        tokens_out: Tokens of the answer, likewise.
        latency_s: Seconds from sending to the end of the answer or error.
        cost_usd: Cost in USD at list price, or None if it is not known.
        prices: Date of the price table that the cost was computed with, or None.
        counted_tokens: Tokens counted against a cap: as measured; an upper bound if the server may have worked and did
            not say how much.
        counted_usd: USD counted against a cap, likewise; None if no price is known.
        study: The study it belongs to, or None.
        trial: The trial or the writing that it was for, or None; neither has to exist yet.
        created: UTC, ISO 8601; set when it is recorded.
    """

    request: str
    attempt: int
    purpose: str
    provider: str
    model: str
    prompt: str
    prompt_version: str
    messages: tuple[Mapping[str, str], ...]
    parameters: Mapping[str, Any]
    outcome: str
    answer: str | None
    latency_s: float
    message: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    prices: str | None = None
    counted_tokens: int = 0
    counted_usd: float | None = None
    study: str | None = None
    trial: str | None = None
    created: str = field(default="", compare=False)


@dataclass(frozen=True)
class Spent:
    """What calls have used up, as counted against a cap.

    Attributes:
        calls: Number of attempts.
        tokens: Tokens, in and out.
        usd: USD, of the calls whose price is known.
        unpriced: Number of attempts whose price is not known.
    """

    calls: int
    tokens: int
    usd: float
    unpriced: int


class Ledger:
    """Records and finds the calls of a workspace. A recorded call never changes.

    Args:
        store: The workspace's store; it stays open as long as the ledger is used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, call: Call) -> None:
        """Add an attempt."""
        values = {
            **asdict(call),
            "messages": canonical_json([dict(message) for message in call.messages]),
            "parameters": canonical_json(dict(call.parameters)),
            "created": now(),
        }
        marks = ", ".join("?" for _ in values)
        with self._store.write() as db:
            db.conn.execute(f"INSERT INTO calls ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))

    def calls(self, study: str | None = None, *, request: str | None = None, trial: str | None = None) -> list[Call]:
        """Return the attempts of a study, or those that belong to none, in the order recorded.

        Args:
            study: Id of the study, or None for the calls outside any study.
            request: Only those of this request.
            trial: Only those for this trial.
        """
        where, parameters = "study IS ?", [study]
        for column, value in (("request", request), ("trial", trial)):
            if value is not None:
                where += f" AND {column} = ?"
                parameters.append(value)
        return [_call(row) for row in self._store.rows(f"SELECT * FROM calls WHERE {where} ORDER BY id", parameters)]

    def answered(self, study: str, request: str) -> Call | None:
        """Return the attempt that answered a study's request, or None if none has."""
        rows = self._store.rows(
            "SELECT * FROM calls WHERE study = ? AND request = ? AND outcome = ? ORDER BY id LIMIT 1",
            (study, request, OK),
        )
        return _call(rows[0]) if rows else None

    def spent(self, study: str | None) -> Spent:
        """Return what a study's calls have used up."""
        (row,) = self._store.rows(
            "SELECT count(*) AS calls, coalesce(sum(counted_tokens), 0) AS tokens,"
            " coalesce(sum(counted_usd), 0.0) AS usd, count(*) - count(counted_usd) AS unpriced"
            " FROM calls WHERE study IS ?",
            (study,),
        )
        return Spent(**row)


def _call(row: Mapping[str, Any]) -> Call:
    values = {key: value for key, value in row.items() if key != "id"}
    values["messages"] = tuple(json.loads(row["messages"]))
    values["parameters"] = json.loads(row["parameters"])
    return Call(**values)
