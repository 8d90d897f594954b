import sqlite3
import threading

import pytest

from neuramosaic.errors import (
    InvalidValueError,
    NewerWorkspaceError,
    NotFoundError,
    StoreError,
    TrialFinishedError,
)
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.store.records import StudyState, TrialOutcome, TrialState
from neuramosaic.store.store import Store


def architecture(width=16):
    block = Block(Choice("attention", {"heads": 2}), Choice("mlp"), Choice("rms_norm"))
    return Architecture(width, 2, (block,), Choice("rope"), Choice("pre"), {"learning_rate": 1e-3})


def add(store, study, number=0, **over):
    values = {"source": "random", "params": 10, "seed": 0, "rung": 0, "fidelity_tokens": 64, "corpus": "c", "asked": 1}
    return store.add_trial(study, number, over.pop("architecture", architecture()), **{**values, **over})


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "ws") as opened:
        yield opened


@pytest.fixture
def study(store):
    return store.create_study("python-code", {"trials": 3}, {"corpus": "c"}, "sha256:0").id


COMPLETE = TrialOutcome(TrialState.COMPLETE, {"val_loss": 2.5}, seconds=1.5, params=12)


def test_studies_are_numbered(store):
    assert store.create_study("recall", {}, {}, "v").id == "recall-1"
    assert store.create_study("text", {}, {}, "v").id == "text-1"
    assert store.create_study("recall", {}, {}, "v").id == "recall-2"
    assert [study.id for study in store.studies()] == ["recall-1", "text-1", "recall-2"]


def test_a_trial_round_trips(store, study):
    added = add(store, study, 4, parent=f"{study}.1")
    assert added.id == f"{study}.4"
    assert added.state is TrialState.WAITING
    assert Architecture.from_json(added.architecture) == architecture()
    assert added.architecture_id == architecture().id
    store.set_commit(added.id, "abc")
    assert store.start_trial(added.id).attempts == 1
    told = store.tell(added.id, COMPLETE)
    assert (told.state, told.val_loss, told.params, told.commit) == (TrialState.COMPLETE, 2.5, 12, "abc")
    assert told.outcome == COMPLETE
    assert told.to_json()["metrics"] == {"val_loss": 2.5}


def test_adding_the_same_trial_twice_changes_nothing(store, study):
    first = add(store, study)
    assert add(store, study) == first
    with pytest.raises(StoreError, match="another architecture"):
        add(store, study, architecture=architecture(32))


def test_finished_trials_never_change(store, study):
    trial = add(store, study).id
    store.tell(trial, COMPLETE)
    with pytest.raises(TrialFinishedError):
        store.tell(trial, COMPLETE)
    with pytest.raises(TrialFinishedError):
        store.start_trial(trial)
    with pytest.raises(TrialFinishedError):
        store.release_trial(trial)
    with sqlite3.connect(store.path) as raw, pytest.raises(sqlite3.IntegrityError, match="never change"):
        raw.execute("UPDATE trials SET val_loss = 0")
    with sqlite3.connect(store.path) as raw, pytest.raises(sqlite3.IntegrityError, match="never change"):
        raw.execute("DELETE FROM trials")


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        (TrialOutcome(TrialState.RUNNING), "outcome.state"),
        (TrialOutcome(TrialState.COMPLETE, {}), "outcome.metrics.val_loss"),
        (TrialOutcome(TrialState.COMPLETE, {"val_loss": float("nan")}), "outcome.metrics.val_loss"),
        (TrialOutcome(TrialState.FAILED), "outcome.reason"),
    ],
)
def test_tell_refuses_what_is_no_outcome(store, study, outcome, field):
    trial = add(store, study).id
    with pytest.raises(InvalidValueError) as caught:
        store.tell(trial, outcome)
    assert caught.value.field == field
    assert store.trial(trial).state is TrialState.WAITING


def test_the_order_of_finishing_is_kept(store, study):
    for number in range(3):
        add(store, study, number)
    for number in (2, 0, 1):
        store.tell(f"{study}.{number}", COMPLETE)
    assert [trial.finish_order for trial in store.trials(study)] == [2, 3, 1]


def test_the_curve_is_that_of_the_last_attempt(store, study):
    trial = add(store, study).id
    store.start_trial(trial)
    store.add_metrics(trial, 1, [{"tokens": 1, "train_loss": 9.0}])
    store.release_trial(trial)
    store.start_trial(trial)
    store.add_metrics(trial, 2, [{"tokens": 2, "train_loss": 5.0}, {"tokens": 1, "train_loss": 6.0}])
    assert [row["train_loss"] for row in store.curve(trial)] == [6.0, 5.0]


def test_commands_are_read_once(store, study):
    command = store.push_command(study, "stop", {"why": "test"})
    (pending,) = store.pending_commands(study)
    assert (pending.id, pending.kind, pending.payload) == (command, "stop", {"why": "test"})
    store.finish_command(command)
    assert store.pending_commands(study) == []


def test_events_come_back_in_order(store, study):
    store.add_event(study, "designer", "proposed", "one", trial="t", data={"a": 1})
    store.add_event(study, "coder", "coded", "two")
    first, second = store.events(study)
    assert (first.agent, first.trial, first.data, second.message) == ("designer", "t", {"a": 1}, "two")
    assert store.events(study, after=first.id) == [second]


def test_names_that_do_not_exist(store, study):
    with pytest.raises(NotFoundError, match="did you mean 'python-code-1'"):
        store.study("python-code-2")
    with pytest.raises(NotFoundError, match="no trial"):
        store.trial("python-code-1.9")
    with pytest.raises(NotFoundError):
        store.trials("nothing")


def test_a_workspace_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "neuramosaic.db") as raw:
        raw.execute("PRAGMA user_version = 999")
    before = (tmp_path / "neuramosaic.db").read_bytes()
    with pytest.raises(NewerWorkspaceError, match="schema version 999"):
        Store.open(tmp_path)
    assert (tmp_path / "neuramosaic.db").read_bytes() == before


def test_a_missing_workspace_is_not_made_by_a_reader(tmp_path):
    with pytest.raises(StoreError, match="no workspace"):
        Store.open(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "neuramosaic.db").write_text("not a database, but long enough to be read as one" * 50)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(tmp_path)


def test_many_writers_lose_nothing(store, study, tmp_path):
    def write(part):
        with Store.open(tmp_path / "ws") as other:
            for number in range(10):
                other.add_event(study, "runner", "note", f"{part}.{number}")

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event.message for event in store.events(study)}) == 40


def test_study_state(store, study):
    store.set_study_state(study, StudyState.FAILED, message="why")
    assert (store.study(study).state, store.study(study).message) == (StudyState.FAILED, "why")
