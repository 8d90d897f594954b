"""Steering real studies: the whole graph with a scripted sandbox, without and with a scripted language model."""

import re
import threading
import time

import pytest

from graph.control import discard_commands, is_running, seconds_spent
from graph.session import create_study, run_study
from graph.steering import steering_status, submit, undo
from neuramosaic.errors import UsageError
from neuramosaic.store.commands import CommandOutcome, Commands
from neuramosaic.store.records import Event, StudyState, WritingState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig


class Crash(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


def sequence(trials):
    return [(t.number, t.architecture_id, t.rung, t.val_loss, t.after) for t in trials]


def steer(laboratory, study, text, by="ada"):
    with Store.open(laboratory.workspace) as store:
        return submit(store, study, text, by=by)


def log(laboratory, study):
    with Store.open(laboratory.workspace) as store:
        return Commands(store).log(study)


def status(laboratory, study):
    with Store.open(laboratory.workspace) as store:
        return steering_status(store, study)


def at(laboratory, answer, study, commands):
    """Ask for something just before a trial ends: the same place in every run."""

    def script(job):
        for text in commands.pop(job.name.partition(".")[2], ()):
            steer(laboratory, study, text)
        return answer(job)

    laboratory.sandbox.script = script


def in_background(study, laboratory):
    session = threading.Thread(target=run_study, args=(study, laboratory.workspace), daemon=True)
    session.start()
    return session


def until(condition, limit_s=150):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


COMMANDS = {
    "1": ["/veto mixer=attention channel=moe", "/budget trials=9"],
    "3": ["/pin norm=layer_norm", "/favour depth=low"],
}


def commands():
    return {name: list(texts) for name, texts in COMMANDS.items()}


@pytest.mark.parametrize("sampler", ["random", "evolution"])
def test_a_steered_study_heeds_it_and_is_the_same_after_a_kill(laboratory, tiny, answer, monkeypatch, sampler):
    config = tiny.model_copy(update={"trials": 6, "sampler": sampler})
    whole = create_study(config, laboratory.workspace)
    at(laboratory, answer, whole, commands())
    assert run_study(whole, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(whole)
    new = [t for t in trials if t.rung == 0]
    assert len(new) == 10  # the budget was raised
    for trial in new[3:]:
        assert not {"mixer:attention", "channel:moe"} & set(trial.components)
    for trial in new[5:]:
        assert "norm:layer_norm" in trial.components
    told = [event for event in laboratory.journal(whole) if event.kind == "steering"]
    assert [event.agent for event in told] == ["person"] * 4
    assert told[0].message.startswith("ada: propose no mixer attention, channel moe any more")
    assert "trials 6 -> 9" in told[1].message
    assert [record.outcome for record in log(laboratory, whole)] == [CommandOutcome.APPLIED] * 4

    broken = create_study(config, laboratory.workspace)
    left = commands()
    at(laboratory, answer, broken, left)
    for write, call in (("add_trial", 3), ("tell", 2), ("add_event", 12)):
        original, calls = getattr(Store, write), []

        def crashing(self, *args, original=original, calls=calls, call=call, **kwargs):
            result = original(self, *args, **kwargs)
            calls.append(args)
            if len(calls) == call:
                raise Crash
            return result

        with monkeypatch.context() as patched:
            patched.setattr(Store, write, crashing)
            with pytest.raises(Crash):
                run_study(broken, laboratory.workspace)
    assert run_study(broken, laboratory.workspace) is StudyState.FINISHED
    assert sequence(laboratory.trials(broken)) == sequence(trials)
    assert status(laboratory, broken).steering == status(laboratory, whole).steering


def test_a_pause_begins_nothing_and_a_person_ends_it(laboratory, tiny):
    config = tiny.model_copy(update={"workers": 2, "rungs": 1, "trials": 8})
    study = create_study(config, laboratory.workspace)
    with pytest.raises(UsageError, match="is not running"):
        steer(laboratory, study, "/pause")
    laboratory.sandbox.delay_s = lambda job: 0.3
    session = in_background(study, laboratory)
    until(lambda: any(t.state.finished for t in laboratory.trials(study)))
    steer(laboratory, study, "/pause")
    until(lambda: laboratory.study(study).state is StudyState.PAUSED)
    with pytest.raises(UsageError, match="paused already"):
        steer(laboratory, study, "/pause")
    until(lambda: not any(t.state == "RUNNING" for t in laboratory.trials(study)))
    started = {job.name for job in laboratory.sandbox.jobs}
    assert status(laboratory, study).paused
    veto = steer(laboratory, study, "/veto residual=post")  # heeded in the pause too
    until(lambda: not waiting_commands(laboratory, study))
    assert log(laboratory, study)[-1].effect == ""
    assert log(laboratory, study)[-1].id == veto.id
    assert {job.name for job in laboratory.sandbox.jobs} == started
    assert is_running(study, laboratory.workspace)
    steer(laboratory, study, "/resume")
    session.join(timeout=150)
    assert laboratory.study(study).state is StudyState.FINISHED
    assert sum(t.parent is None for t in laboratory.trials(study)) == 9
    kinds = [event.kind for event in laboratory.journal(study) if event.agent == "session"]
    assert kinds == ["created", "started", "paused", "goes on", "ended"]


def waiting_commands(laboratory, study):
    return [record for record in log(laboratory, study) if record.pending]


def test_a_paused_study_can_be_stopped_and_resumed(laboratory, tiny):
    study = create_study(tiny, laboratory.workspace)
    laboratory.sandbox.delay_s = lambda job: 0.2
    session = in_background(study, laboratory)
    until(lambda: is_running(study, laboratory.workspace) and laboratory.trials(study))
    steer(laboratory, study, "/pause")
    until(lambda: laboratory.study(study).state is StudyState.PAUSED)
    steer(laboratory, study, "/stop")
    session.join(timeout=150)
    assert laboratory.study(study).state is StudyState.STOPPED
    steer(laboratory, study, "/veto norm=dyt")  # waits for the next session
    with Store.open(laboratory.workspace) as store:
        discard_commands(store, study)
    assert len(waiting_commands(laboratory, study)) == 1
    laboratory.sandbox.delay_s = lambda job: 0.0
    before = len(laboratory.trials(study))
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert not waiting_commands(laboratory, study)
    assert all("norm:dyt" not in t.components for t in laboratory.trials(study)[before:] if t.parent is None)


def test_more_is_spent_on_the_best_on_a_new_rung(laboratory, tiny, answer):
    config = tiny.model_copy(update={"rungs": 1, "trials": 4})
    study = create_study(config, laboratory.workspace)
    with pytest.raises(UsageError, match="no trial but the baseline has completed"):
        steer(laboratory, study, "/more-on-best")
    at(laboratory, answer, study, {"4": ["/more-on-best"]})
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(study)
    first = [t for t in trials if t.rung == 0 and t.source != "baseline"]
    (record,) = log(laboratory, study)
    promoted = [t for t in trials if t.rung == 1]
    assert {t.source == "baseline" for t in promoted} == {True, False}
    asked = next(t for t in trials if t.number == record.recorded["trial"])
    assert asked.id in {t.parent for t in promoted}
    assert asked.val_loss == min(t.val_loss for t in first if t.finish_order < asked_at(record))
    assert laboratory.study(study).config["rungs"] == 2


def asked_at(record):
    return record.after + 1


def test_what_cannot_be_is_refused_before_it_is_stored(laboratory, tiny):
    study = create_study(tiny, laboratory.workspace)
    for text, words in {
        "/veto norm=dyt norm=rms_norm norm=layer_norm": "would leave no norm",
        "/veto mixer=atention": "did you mean 'attention'",
        "/allow mixer=ssm": "is not vetoed",
        "/unpin mixer": "is not pinned",
        "/idea attention that forgets": "needs a language model",
        "/budget tokens=5": "has no language model",
        "/approve c0": "none waits",
    }.items():
        with pytest.raises(UsageError, match=words):
            steer(laboratory, study, text)
    assert log(laboratory, study) == []
    steer(laboratory, study, "/veto mixer=ssm")
    with pytest.raises(UsageError, match=r"is vetoed: '/allow mixer=ssm' first"):
        steer(laboratory, study, "/pin mixer=ssm")  # what waits counts
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    with pytest.raises(UsageError, match="6 architectures are used already"):
        steer(laboratory, study, "/budget trials=5")
    with Store.open(laboratory.workspace) as store:
        (record,) = Commands(store).log(study)
        (inverse,) = undo(store, study, record.id, by="bob")
        assert (inverse.command.kind, inverse.by) == ("allow", "bob")
        (withdrawn,) = undo(store, study, inverse.id, by="bob")
        assert (withdrawn.outcome, withdrawn.effect) == (CommandOutcome.REFUSED, "withdrawn by bob")
        with pytest.raises(UsageError, match="had no effect"):
            undo(store, study, inverse.id)


def test_approval_an_idea_and_a_replay(laboratory, asking, model_server, writer, answer):
    asking = asking.model_copy(update={"trials": 8, "workers": 1})
    study = create_study(asking, laboratory.workspace)
    steer(laboratory, study, "/approval on")
    at(laboratory, answer, study, {"2": ["/veto norm=dyt", "/budget trials=9"]})
    session = in_background(study, laboratory)
    until(lambda: status(laboratory, study).waiting)
    (first,) = status(laboratory, study).waiting
    assert (first.state, first.source, first.proposal["approval"]) == (WritingState.OPEN, "llm", "asked")
    # The rest of the study goes on, up to the slot that is kept for it; then it waits for a person.
    until(lambda: sum(t.rung == 0 and t.state.finished for t in laboratory.trials(study)) == 9)
    time.sleep(0.6)
    assert is_running(study, laboratory.workspace)
    with pytest.raises(UsageError, match=re.escape(f"c0 ({first.slot} {first.name})")):
        steer(laboratory, study, "/approve c7")
    steer(laboratory, study, "/budget trials=12")
    steer(laboratory, study, "/reject c0 too dear")
    steer(laboratory, study, "/idea a mixer: the mean of all inputs so far, through a linear map")
    until(lambda: [item.source for item in status(laboratory, study).waiting if item.source == "idea"])
    (idea,) = [item for item in status(laboratory, study).waiting if item.source == "idea"]
    steer(laboratory, study, f"/approve {idea.id}")
    steer(laboratory, study, "/approval off")
    until(lambda: decide(laboratory, study) or not session.is_alive())
    session.join(timeout=150)
    assert laboratory.study(study).state is StudyState.FINISHED
    writings = {item.number: item for item in laboratory.writings(study)}
    assert writings[0].state is WritingState.FAILED
    assert writings[0].failures[-1] == {"check": "approval", "message": "rejected by ada: too dear"}
    assert writings[idea.number].state is WritingState.VERIFIED
    trials = laboratory.trials(study)
    after_the_veto = [t for t in trials if t.parent is None and t.number > 2]
    assert any(t.source == "llm" for t in after_the_veto)
    assert not any("norm:dyt" in t.components for t in after_the_veto)
    (tried, *_) = [t for t in trials if t.proposal.get("writing") == idea.id]
    assert tried.source == "idea"
    assert f"{idea.slot}:{idea.name}" in tried.components

    asked = len(model_server.requests)
    laboratory.sandbox.script = answer
    again = create_study(StudyConfig.from_mapping({"llm": "replay", "replay": study}), laboratory.workspace)
    assert laboratory.study(again).config["trials"] == 8  # as it was at first
    with pytest.raises(UsageError, match="it can be paused and stopped"):
        steer(laboratory, again, "/veto norm=rms_norm")
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert sequence(laboratory.trials(again)) == sequence(trials)
    assert len(model_server.requests) == asked
    assert laboratory.study(again).config["trials"] == 12
    assert [r.command for r in log(laboratory, again)] == [
        r.command for r in log(laboratory, study) if r.outcome is CommandOutcome.APPLIED
    ]
    assert [(w.name, w.state) for w in laboratory.writings(again)] == [(w.name, w.state) for w in writings.values()]


def test_a_pause_does_not_count_against_the_hours():
    moments = {"created": 0, "started": 10, "paused": 20, "goes on": 50, "ended": 55}
    events = [
        Event(number, "s", f"2026-01-01T00:00:{second:02}.000+00:00", "session", kind, "")
        for number, (kind, second) in enumerate(moments.items())
    ]
    assert seconds_spent(events) == 15.0
    assert seconds_spent(events[:3]) == 10.0  # killed in the pause


def decide(laboratory, study):
    """Approve whatever else came to wait; return whether nothing can come any more."""
    for item in status(laboratory, study).waiting:
        try:
            steer(laboratory, study, f"/approve c{item.number}")
        except UsageError:
            continue
    return laboratory.study(study).state is StudyState.FINISHED
