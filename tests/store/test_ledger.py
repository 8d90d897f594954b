"""The ledger of calls, and the upgrade of a database that was written before there was one."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from neuramosaic.errors import StoreError
from neuramosaic.store.ledger import Call, Ledger, Spent
from neuramosaic.store.migrations import LATEST, migrations
from neuramosaic.store.records import TrialState
from neuramosaic.store.store import FILE_NAME, Store

ASSETS = Path(__file__).parents[1] / "assets"

CALL = Call(
    request="sha256:1",
    attempt=1,
    purpose="write",
    provider="openai",
    model="m",
    prompt="p",
    prompt_version="1+0123",
    messages=({"role": "user", "content": "hé"},),
    parameters={"temperature": 0.5, "schema": {"type": "object"}},
    outcome="ok",
    answer='{"a": 1}',
    tokens_in=10,
    tokens_out=5,
    latency_s=0.25,
    cost_usd=0.5,
    prices="2026-03",
    counted_tokens=15,
    counted_usd=0.5,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        opened.create_study("recall", {}, {}, "v")
        yield opened


def test_a_call_round_trips(store: Store) -> None:
    ledger, call = Ledger(store), dataclasses.replace(CALL, study="recall-1")
    ledger.record(call)
    ledger.record(CALL)
    assert ledger.calls("recall-1") == [call]
    assert ledger.calls() == [CALL]
    assert ledger.calls("recall-1")[0].created


def test_only_an_answer_answers(store: Store) -> None:
    ledger, call = Ledger(store), dataclasses.replace(CALL, study="recall-1")
    failed = dataclasses.replace(call, outcome="malformed", answer="?", message="no JSON")
    ledger.record(failed)
    assert ledger.answered("recall-1", "sha256:1") is None
    ledger.record(dataclasses.replace(call, attempt=2))
    ledger.record(dataclasses.replace(call, attempt=3, answer="later"))
    found = ledger.answered("recall-1", "sha256:1")
    assert found is not None
    assert (found.attempt, found.answer) == (2, '{"a": 1}')
    assert ledger.answered("recall-1", "sha256:2") is None
    assert [each.attempt for each in ledger.calls("recall-1", request="sha256:1")] == [1, 2, 3]


def test_what_was_spent_is_summed_and_what_has_no_price_is_counted_apart(store: Store) -> None:
    ledger, call = Ledger(store), dataclasses.replace(CALL, study="recall-1")
    assert ledger.spent("recall-1") == Spent(0, 0, 0.0, 0)
    ledger.record(call)
    ledger.record(dataclasses.replace(call, cost_usd=None, counted_usd=None))
    ledger.record(CALL)
    assert ledger.spent("recall-1") == Spent(2, 30, 0.5, 1)


def test_a_recorded_call_never_changes(store: Store) -> None:
    Ledger(store).record(CALL)
    with sqlite3.connect(store.path) as raw:
        for statement in ("UPDATE calls SET answer = 'x'", "DELETE FROM calls"):
            with pytest.raises(sqlite3.IntegrityError, match="never change"):
                raw.execute(statement)
    raw.close()


def test_a_call_may_be_for_a_trial_or_a_writing_that_does_not_exist_yet(store: Store) -> None:
    ledger = Ledger(store)
    for trial in ("recall-1.5", "recall-1.c0", "c3"):
        ledger.record(dataclasses.replace(CALL, study="recall-1", trial=trial))
        assert len(ledger.calls("recall-1", trial=trial)) == 1


def test_calls_that_were_recorded_before_are_kept_by_the_upgrade(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / FILE_NAME)
    db = Database(raw)
    migrations.apply(db, stop_before="0005_calls_before_trials")
    row = {**dataclasses.asdict(CALL), "messages": "[]", "parameters": "{}", "created": "2026-01-01"}
    db["calls"].insert_all([{**row, "attempt": attempt} for attempt in (1, 2)])
    db.execute("PRAGMA user_version = 4")
    raw.commit()
    raw.close()
    with Store.open(tmp_path) as store:
        assert [call.attempt for call in Ledger(store).calls()] == [1, 2]
        Ledger(store).record(dataclasses.replace(CALL, attempt=3, trial="c0"))
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        assert raw.execute("SELECT id, trial FROM calls").fetchall() == [(1, None), (2, None), (3, "c0")]
        with pytest.raises(sqlite3.IntegrityError, match="never change"):
            raw.execute("DELETE FROM calls")
        indexed = raw.execute("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = 'calls'")
        assert indexed.fetchone() == (1,)
    raw.close()


def test_a_call_of_a_study_that_does_not_exist_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        Ledger(store).record(dataclasses.replace(CALL, study="recall-9"))


@pytest.mark.parametrize("version", [1, 5])  # 2 was never the newest: it and 3 came together
def test_a_database_of_each_earlier_version_is_upgraded_with_nothing_lost(version: int, tmp_path: Path) -> None:
    shutil.copy(ASSETS / f"schema-{version}.db", tmp_path / FILE_NAME)
    with Store.open(tmp_path, create=False) as store:
        (study,) = store.studies()
        first, second = store.trials(study.id)
        assert study.config == {"task": "recall", "trials": 2}
        assert (first.state, first.val_loss, first.commit) == (TrialState.COMPLETE, 3.0, "0" * 40)
        assert (second.state, second.params, second.outcome) == (TrialState.WAITING, 2000, None)
        assert [row["tokens"] for row in store.curve(first.id)] == [32, 64]
        assert [event.data for event in store.events(study.id)] == [{"val_loss": 3.0}]
        assert [command.payload for command in store.pending_commands(study.id)] == [{"reason": "test"}]
        ledger = Ledger(store)
        assert ledger.calls(study.id) == []
        ledger.record(dataclasses.replace(CALL, study=study.id, trial=first.id))
        assert len(ledger.calls(study.id, trial=first.id)) == 1
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (LATEST,)
    raw.close()
