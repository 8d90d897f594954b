from __future__ import annotations

import threading
from pathlib import Path

import pytest

from neuramosaic.errors import StoreError
from neuramosaic.store.records import TrialOutcome, TrialState
from neuramosaic.store.store import Store
from ui.reader import COLUMNS, Reader

STUDY = "text-1"


def test_table_and_outlines_agree_with_the_trials(reader: Reader) -> None:
    trials, outlines, table = reader.trials(STUDY), reader.outlines(STUDY), reader.table(STUDY)
    assert list(table.columns) == list(COLUMNS)
    assert [trial.id for trial in outlines] == [trial.id for trial in trials] == list(table["id"])
    for outline, trial in zip(outlines, trials, strict=True):
        assert (outline.val_loss, outline.components, outline.rung) == (trial.val_loss, trial.components, trial.rung)
        assert (outline.outcome is None) == (trial.outcome is None)
        if trial.outcome and outline.outcome:
            assert outline.outcome.seconds == trial.outcome.seconds
            assert outline.outcome.cost_flops == trial.outcome.cost_flops
            assert outline.outcome.reason == trial.outcome.reason


def test_what_finishes_later_is_seen(reader: Reader, workspace: Path) -> None:
    assert reader.outlines(STUDY)[4].state is TrialState.RUNNING
    with Store.open(workspace) as store:
        store.tell(f"{STUDY}.4", TrialOutcome(TrialState.COMPLETE, {"val_loss": 2.0}, seconds=1.0))
        store.add_event(STUDY, "runner", "finished", "val loss 2", trial=f"{STUDY}.4")
    assert reader.outlines(STUDY)[4].val_loss == 2.0
    assert reader.table(STUDY)["val_loss"][4] == 2.0
    assert reader.trials(STUDY)[4].val_loss == 2.0


def test_what_is_derived_is_made_once_for_many_at_once(reader: Reader) -> None:
    made, ready = [], threading.Barrier(6)

    def make() -> int:
        made.append(1)
        return 7

    def ask() -> None:
        ready.wait()
        assert reader.derived(STUDY, "seven", make) == 7

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_what_is_derived_is_made_anew_after_an_event(reader: Reader) -> None:
    values = iter((1, 2))
    assert reader.derived(STUDY, "n", lambda: next(values)) == 1
    assert reader.derived(STUDY, "n", lambda: next(values)) == 1
    reader.store.add_event(STUDY, "runner", "started", "x")
    assert reader.derived(STUDY, "n", lambda: next(values)) == 2


def test_the_journal_is_filtered(reader: Reader) -> None:
    for agent, kind, message in (("designer", "proposed", "A 100% Wide one"), ("coder", "coded", "wrote model.py")):
        reader.store.add_event(STUDY, agent, kind, message, trial=f"{STUDY}.1")
    assert [event.agent for event in reader.events(STUDY, agents=("designer",))] == ["designer"]
    assert [event.message for event in reader.events(STUDY, text="100% wide")] == ["A 100% Wide one"]
    assert [event.kind for event in reader.events(STUDY, kinds=("coded",), trial=f"{STUDY}.1")] == ["coded"]
    assert reader.events(STUDY, agents=("designer",), trial=f"{STUDY}.2") == []
    assert [event.message for event in reader.events(STUDY, last=1)] == ["wrote model.py"]
    assert reader.last_of_agents(STUDY)["coder"].message == "wrote model.py"


def test_curves_are_thinned_but_keep_the_last_row_and_val_losses(reader: Reader) -> None:
    rows = [{"tokens": 10 * n, "train_loss": 1.0, **({"val_loss": 2.0} if n == 37 else {})} for n in range(1, 1001)]
    reader.store.add_metrics(f"{STUDY}.4", 1, rows)
    points = reader.points(f"{STUDY}.4", 50)
    assert len(points) <= 55
    assert points[-1]["tokens"] == 10_000
    assert any(row.get("val_loss") == 2.0 for row in points)


def test_no_workspace_is_no_study(empty_reader: Reader) -> None:
    assert not empty_reader.exists
    assert empty_reader.studies() == []
    with pytest.raises(StoreError, match="no workspace"):
        _ = empty_reader.store
    empty_reader.create()
    assert empty_reader.exists
