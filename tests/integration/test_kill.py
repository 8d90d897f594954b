"""A session killed with SIGKILL, at ten moments, on a real sandbox."""

import os
import signal
import time

import pytest

from graph.control import is_running, launch
from graph.session import create_study
from neuramosaic.store.records import StudyState, TrialState
from neuramosaic.store.store import Store

KILLS = 10


def wait(process, timeout_s=120):
    process.wait(timeout=timeout_s)
    return process.returncode


def facts(trials):
    """What must not depend on how often a session was killed."""
    return [
        (t.number, t.architecture_id, t.source, t.rung, t.parent, t.commit, t.state, t.val_loss, t.outcome.reason)
        for t in trials
    ]


@pytest.mark.slow
def test_killed_at_ten_moments_and_resumed_equals_uninterrupted(tmp_path, tiny):
    config = tiny.model_copy(update={"trials": 6})
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    study = create_study(config, whole)
    assert wait(launch(study, whole)) == 0
    with Store.open(whole) as store:
        expected = store.trials(study)

    assert create_study(config, broken) == study
    with Store.open(broken) as store:
        kills = 0
        while kills < KILLS:
            done = sum(trial.state.finished for trial in store.trials(study))
            session = launch(study, broken)
            # The kill falls somewhere between the first sign of life and the next trial's end, each time elsewhere.
            marker = len(store.events(study))
            wanted = 1 + kills * 5 % 12
            deadline = time.monotonic() + 60
            while session.poll() is None and len(store.events(study)) < marker + wanted:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(0.02 * (kills % 3))
            if session.poll() is not None:
                break
            os.killpg(session.pid, signal.SIGKILL)
            session.wait()
            kills += 1
            assert not is_running(study, broken)
            assert store.study(study).state is StudyState.RUNNING
            assert sum(trial.state.finished for trial in store.trials(study)) >= done
        assert kills == KILLS, "the study ended before it could be killed ten times"
        assert wait(launch(study, broken)) == 0
        trials = store.trials(study)
        assert store.study(study).state is StudyState.FINISHED
    assert all(trial.state.finished for trial in trials)
    assert {TrialState.COMPLETE} <= {trial.state for trial in trials}
    assert facts(trials) == facts(expected)
