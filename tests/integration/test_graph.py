"""The whole graph, with a scripted sandbox in the place of a real one."""

import itertools
import re
import threading
import time

import pytest

from graph.control import is_running, launch, request_stop
from graph.session import create_study, extend_study, run_study
from neuramosaic.errors import DataError, SandboxError, UsageError
from neuramosaic.store.records import StudyState, TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from sandbox.base import Exit


def sequence(trials):
    return [(t.number, t.architecture_id, t.rung, t.parent and t.parent.split(".")[1], t.val_loss) for t in trials]


def test_a_study_runs_to_its_end(laboratory, tiny):
    study = create_study(tiny, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(study)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    first, *rest = trials
    assert (first.source, first.rung) == ("baseline", 0)
    sampled = [trial for trial in rest if trial.parent is None]
    assert len(sampled) == tiny.trials
    assert len({trial.architecture_id for trial in trials if trial.rung == 0}) == tiny.trials + 1
    promoted = [trial for trial in rest if trial.rung == 1]
    assert any(trial.source == "baseline" for trial in promoted)
    assert any(trial.source != "baseline" for trial in promoted)
    assert {trial.fidelity_tokens for trial in promoted} == {tiny.tokens * tiny.eta}
    report = laboratory.workspace / "artifacts" / study / "report.html"
    assert first.label in report.read_text()
    with Store.open(laboratory.workspace) as store:
        assert {event.agent for event in store.events(study)} >= {
            "literature",
            "designer",
            "coder",
            "runner",
            "analyst",
        }


def test_the_same_seed_gives_the_same_study(laboratory, tiny):
    config = tiny.model_copy(update={"sampler": "bayes"})
    studies = [create_study(config, laboratory.workspace) for _ in range(2)]
    for study in studies:
        run_study(study, laboratory.workspace)
    one, two = (sequence(laboratory.trials(study)) for study in studies)
    assert one == two
    other = create_study(config.model_copy(update={"seed": 1}), laboratory.workspace)
    run_study(other, laboratory.workspace)
    assert sequence(laboratory.trials(other)) != one


def test_a_slow_trial_never_holds_up_a_fast_one(laboratory, tiny):
    config = tiny.model_copy(update={"workers": 2, "rungs": 1})
    study = create_study(config, laboratory.workspace)
    slow = f"{study}.1"
    laboratory.sandbox.delay_s = lambda job: 3.0 if job.name == slow else 0.05
    run_study(study, laboratory.workspace)
    order = [job.name for job in laboratory.sandbox.jobs]
    assert len(order) == config.trials + 1
    assert order.index(slow) >= config.trials - 1, order


def test_stopped_and_resumed_equals_uninterrupted(laboratory, tiny):
    whole = create_study(tiny, laboratory.workspace)
    run_study(whole, laboratory.workspace)
    broken = create_study(tiny, laboratory.workspace)
    laboratory.sandbox.delay_s = lambda job: 0.4
    for _ in range(2):
        session = threading.Thread(target=run_study, args=(broken, laboratory.workspace))
        session.start()
        done = len([t for t in laboratory.trials(broken) if t.state.finished])
        while len([t for t in laboratory.trials(broken) if t.state.finished]) <= done:
            time.sleep(0.05)
        assert request_stop(broken, laboratory.workspace)
        session.join(timeout=30)
        assert laboratory.study(broken).state is StudyState.STOPPED
        assert not is_running(broken, laboratory.workspace)
        assert TrialState.RUNNING not in {trial.state for trial in laboratory.trials(broken)}
    laboratory.sandbox.delay_s = lambda job: 0.0
    assert run_study(broken, laboratory.workspace) is StudyState.FINISHED
    assert sequence(laboratory.trials(broken)) == sequence(laboratory.trials(whole))


def test_a_finished_study_can_be_given_more_trials(laboratory, tiny):
    study = create_study(tiny.model_copy(update={"trials": 3}), laboratory.workspace)
    run_study(study, laboratory.workspace)
    before = laboratory.trials(study)
    extend_study(study, laboratory.workspace, {"trials": 6})
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    after = laboratory.trials(study)
    assert after[: len(before)] == before
    assert len([t for t in after if t.parent is None]) == 7
    with pytest.raises(UsageError, match="seed cannot change"):
        extend_study(study, laboratory.workspace, {"seed": 3})


def test_a_failed_trial_is_data(laboratory, tiny, answer):
    exits = itertools.cycle([Exit.OUT_OF_MEMORY, Exit.TIMEOUT, Exit.ERROR])
    laboratory.sandbox.script = lambda job: answer(job) if job.name.endswith((".0", ".4")) else next(exits)
    study = create_study(tiny.model_copy(update={"rungs": 1}), laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(study)
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    assert len(failed) == tiny.trials - 1
    assert all(trial.outcome.reason and trial.val_loss is None for trial in failed)


def test_a_sandbox_that_fails_is_tried_again_and_then_ends_the_session(laboratory, tiny, answer):
    failures = iter([SandboxError("engine went away")] * 2)

    def flaky(job):
        error = next(failures, None)
        if error:
            raise error
        return answer(job)

    laboratory.sandbox.script = flaky
    study = create_study(tiny.model_copy(update={"trials": 1, "rungs": 1}), laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert laboratory.trials(study)[0].attempts == 3

    def broken(job):
        raise SandboxError("engine went away")

    laboratory.sandbox.script = broken
    study = create_study(tiny, laboratory.workspace)
    with pytest.raises(SandboxError):
        run_study(study, laboratory.workspace)
    assert (laboratory.study(study).state, laboratory.study(study).message) == (StudyState.FAILED, "engine went away")
    laboratory.sandbox.script = answer
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED


def test_a_study_never_runs_twice_at_once(laboratory, tiny):
    study = create_study(tiny, laboratory.workspace)
    laboratory.sandbox.delay_s = lambda job: 0.3
    session = threading.Thread(target=run_study, args=(study, laboratory.workspace))
    session.start()
    while not is_running(study, laboratory.workspace):
        time.sleep(0.01)
    with pytest.raises(UsageError, match="running already"):
        run_study(study, laboratory.workspace)
    request_stop(study, laboratory.workspace)
    session.join(timeout=30)


def test_the_wall_limit_ends_a_study_in_good_order(laboratory, tiny):
    laboratory.sandbox.delay_s = lambda job: 0.2
    study = create_study(tiny.model_copy(update={"max_hours": 0.5 / 3600}), laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(study)
    assert 1 <= len(trials) < tiny.trials
    assert all(trial.state.finished for trial in trials)


def test_the_baseline_may_lie_outside_a_restricted_space(laboratory, tiny):
    space = {"mixers": ["min_gru"], "channels": ["mlp"], "modulators": [], "max_pattern": 1, "depth": [1, 2]}
    config = StudyConfig.from_mapping({**tiny.to_json(), "space": space, "sampler": "bayes"})
    study = create_study(config, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    baseline, *others = (trial for trial in laboratory.trials(study) if trial.rung == 0)
    assert "mixer:attention" in baseline.components
    assert len(others) == tiny.trials
    for trial in others:
        assert {"mixer:min_gru", "channel:mlp"} <= set(trial.components)
        assert not any(name.startswith("modulator:") for name in trial.components)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "bayess"}, "unknown sampler 'bayess': did you mean 'bayes'"),
        ({"sampler_settings": {"colour": 1}}, "unknown option 'colour'"),
        ({"space": {"mixers": ["atention"]}}, "unknown mixer 'atention': did you mean 'attention'"),
        ({"task": "recal"}, "unknown task 'recal': did you mean 'recall'"),
        ({"task_settings": {"sequence_lenght": 3}}, "did you mean 'sequence_length'"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_runs(laboratory, tiny, change, message):
    config = StudyConfig.from_mapping({**tiny.to_json(), **change})
    with pytest.raises(UsageError, match=re.escape(message)):
        create_study(config, laboratory.workspace)
    with Store.open(laboratory.workspace) as store:
        assert store.studies() == []


class Crash(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


@pytest.mark.parametrize("call", [1, 4])
@pytest.mark.parametrize("write", ["add_trial", "set_commit", "start_trial", "tell"])
def test_a_crash_right_after_any_write_loses_and_doubles_nothing(laboratory, tiny, monkeypatch, write, call):
    whole = create_study(tiny, laboratory.workspace)
    run_study(whole, laboratory.workspace)
    broken = create_study(tiny, laboratory.workspace)
    original, calls = getattr(Store, write), itertools.count(1)

    def crashing(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        if next(calls) == call:
            raise Crash
        return result

    with monkeypatch.context() as patched:
        patched.setattr(Store, write, crashing)
        with pytest.raises(Crash):
            run_study(broken, laboratory.workspace)
    assert len(laboratory.trials(broken)) < len(laboratory.trials(whole))
    assert run_study(broken, laboratory.workspace) is StudyState.FINISHED
    assert sequence(laboratory.trials(broken)) == sequence(laboratory.trials(whole))


def test_a_changed_data_file_is_refused(laboratory, tiny):
    study = create_study(tiny, laboratory.workspace)
    with Store.open(laboratory.workspace) as store:
        folder = laboratory.workspace / store.study(study).task["directory"]
    file = folder / "val.tokens.bin"
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="content has changed"):
        run_study(study, laboratory.workspace)
    assert laboratory.trials(study) == []


def test_interruptions_do_not_count_as_failures_of_the_sandbox(laboratory, tiny, answer):
    study = create_study(tiny.model_copy(update={"trials": 1, "rungs": 1}), laboratory.workspace)
    with Store.open(laboratory.workspace) as store:
        for _ in range(3):
            laboratory.sandbox.script = lambda job: (_ for _ in ()).throw(Crash)
            with pytest.raises(Crash):
                run_study(study, laboratory.workspace)
        assert store.trials(study)[0].attempts == 3
    failures = iter([SandboxError("a hiccup")])

    def hiccup(job):
        error = next(failures, None)
        if error:
            raise error
        return answer(job)

    laboratory.sandbox.script = hiccup
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED


def test_a_stop_right_after_the_launch_is_heard(tmp_path, tiny):
    workspace = tmp_path / "ws"
    study = create_study(tiny, workspace)
    session = launch(study, workspace)
    try:
        assert is_running(study, workspace)
        assert request_stop(study, workspace)
        assert session.wait(timeout=120) == 0
    finally:
        session.kill()
    with Store.open(workspace) as store:
        assert store.study(study).state is StudyState.STOPPED
        assert not any(trial.state.finished for trial in store.trials(study))
