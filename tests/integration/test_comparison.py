"""A comparison as a study: pairs of trials over seeds, journaled, stopped, resumed and reported like any other."""

import os
import signal
import time

import pytest

import graph.lab
from graph.control import launch
from graph.session import create_study, extend_study, run_study
from neuramosaic.analysis.paired import paired_comparison
from neuramosaic.errors import UnknownNameError, UsageError
from neuramosaic.store.records import StudyState, TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from sandbox.scripted import ScriptedSandbox

SEEDS = (3, 1, 4)


def compared(tiny, slot="mixer", name="gated_conv", seeds=SEEDS, **changes):
    given = tiny.model_dump(mode="json", exclude={"trials", "rungs", "comparison"}) | changes
    return StudyConfig.from_mapping(
        {**given, "comparison": {"component": {"slot": slot, "name": name}, "seeds": seeds}}
    )


@pytest.fixture
def scripted(monkeypatch, answer):
    """A sandbox in which the loss depends on model and seed."""

    def by_seed(job):
        result = answer(job)
        result["training"]["val_loss"] += job.request["seed"] / 1000
        return result

    sandbox = ScriptedSandbox(by_seed)
    monkeypatch.setattr(graph.lab, "create_sandbox", lambda name, config, on_progress: sandbox)
    return sandbox


def finished(workspace, config):
    study = create_study(config, workspace)
    assert run_study(study, workspace) is StudyState.FINISHED
    with Store.open(workspace) as store:
        return study, store.trials(study), store.events(study)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_seed_trains_the_baseline_and_the_component(tmp_path, tiny, scripted, workers):
    study, trials, events = finished(tmp_path / "ws", compared(tiny, workers=workers))
    assert [(trial.number, trial.seed, trial.source) for trial in trials] == [
        (0, 3, "baseline"),
        (1, 3, "comparison"),
        (2, 1, "baseline"),
        (3, 1, "comparison"),
        (4, 4, "baseline"),
        (5, 4, "comparison"),
    ]
    assert {trial.fidelity_tokens for trial in trials} == {tiny.tokens}
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    baseline, candidate = trials[0].architecture, trials[1].architecture
    assert [block["mixer"]["name"] for block in baseline["blocks"]] == ["attention"]
    assert [block["mixer"]["name"] for block in candidate["blocks"]] == ["gated_conv"]
    assert candidate["depth"] == baseline["depth"]
    assert candidate["training"] == baseline["training"]
    assert len({trial.architecture_id for trial in trials}) == len({trial.commit for trial in trials}) == 2
    for trial in trials:
        assert abs(trial.params - tiny.params) <= 0.05 * tiny.params
    requests = sorted((job.request["seed"], job.request["expected_params"]) for job in scripted.jobs)
    assert requests == sorted((trial.seed, trial.params) for trial in trials)
    assert not any("known_functions" in job.request and job.request["known_functions"] for job in scripted.jobs)
    made = next(event for event in events if event.kind == "created")
    assert made.message.startswith("mixer gated_conv against the baseline, 3 seeds")
    standing = [event.message for event in events if event.kind == "standing"]
    assert "3 seeds, same parameters (within " in standing[-1]
    report = (tmp_path / "ws" / "artifacts" / study / "report.html").read_text()
    assert "degrees of freedom" in report
    assert "One seed, not a finding" not in report
    assert "was picked for its low loss" not in report


def test_pairs_differ_in_the_component_alone(tmp_path, tiny, scripted):
    _, trials, _ = finished(tmp_path / "ws", compared(tiny))
    paired = paired_comparison(trials)
    differences = [pair.difference for pair in paired.pairs]
    assert [pair.seed for pair in paired.pairs] == list(SEEDS)
    assert differences == pytest.approx([differences[0]] * 3)  # what the seed adds, it adds to both


@pytest.mark.parametrize(
    ("slot", "name"), [("channel", "mlp"), ("norm", "layer_norm"), ("residual", "post"), ("position", "alibi")]
)
def test_a_component_goes_where_it_belongs(tmp_path, tiny, scripted, slot, name):
    _, trials, _ = finished(tmp_path / "ws", compared(tiny, slot, name, seeds=(0, 1)))
    assert f"{slot}:{name}" in trials[1].components
    assert set(trials[1].components) - set(trials[0].components) == {f"{slot}:{name}"}


def test_a_modulator_wraps_every_block(tmp_path, tiny, scripted):
    _, trials, _ = finished(tmp_path / "ws", compared(tiny, "modulator", "top_down", seeds=(0, 1)))
    assert [block["modulator"]["name"] for block in trials[1].architecture["blocks"]] == ["top_down"]


def test_what_cannot_be_compared_is_refused_before_anything_is_stored(tmp_path, tiny):
    workspace = tmp_path / "ws"
    with pytest.raises(UsageError, match="mixer 'attention' is what the baseline has"):
        create_study(compared(tiny, "mixer", "attention"), workspace)
    with pytest.raises(UnknownNameError, match="did you mean 'gated_conv'"):
        create_study(compared(tiny, "mixer", "gated_con"), workspace)
    with pytest.raises(UnknownNameError, match="unknown slot 'mixxer'"):
        create_study(compared(tiny, "mixxer", "gated_conv"), workspace)
    with Store.open(workspace) as store:
        assert store.studies() == []


def test_a_comparison_is_given_no_more_trials(tmp_path, tiny, scripted):
    study, *_ = finished(tmp_path / "ws", compared(tiny, seeds=(0, 1)))
    with pytest.raises(UsageError, match="`trials` beside `comparison` is the number of its seeds"):
        extend_study(study, tmp_path / "ws", {"trials": 9})


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(tmp_path, tiny):
    """In the real sandbox: the worker trains the models."""
    config = compared(tiny, seeds=(0, 1))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    study, expected, _ = finished(whole, config)
    assert len({trial.val_loss for trial in expected}) == 4
    assert create_study(config, broken) == study
    with Store.open(broken) as store:
        for wanted in (1, 2, 3):
            session = launch(study, broken)
            deadline = time.monotonic() + 120
            while session.poll() is None and sum(t.attempts for t in store.trials(study)) < wanted:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(session.pid, signal.SIGKILL)
            session.wait()
        session = launch(study, broken)
        assert session.wait(timeout=300) == 0
        trials = store.trials(study)
    assert [(t.number, t.seed, t.architecture_id, t.val_loss) for t in trials] == [
        (t.number, t.seed, t.architecture_id, t.val_loss) for t in expected
    ]
