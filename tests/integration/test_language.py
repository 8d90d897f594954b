"""A study with a language model, from its first question to a replay without it."""

import random

from graph.session import create_study, run_study
from neuramosaic.store.records import StudyState, TrialState, WritingState
from neuramosaic.study import StudyConfig


def facts(trials):
    """What a replay repeats of trials."""
    return [
        (
            t.number,
            t.architecture_id,
            t.source,
            t.rung,
            t.parent and t.parent.rpartition(".")[2],
            t.commit,
            t.state,
            t.val_loss,
            t.after,
            t.finish_order,
            {**t.proposal, "writing": t.proposal["writing"].rpartition(".")[2]}
            if "writing" in t.proposal
            else t.proposal,
        )
        for t in trials
    ]


def texts(writings):
    """What a replay repeats of writings."""
    return [
        (w.number, w.card, w.state, w.after, w.proposal, w.depth, w.version, w.commit, w.attempts, w.tokens, w.failures)
        for w in writings
    ]


def wobble(job):
    """Trials end in another order each time."""
    return random.Random().uniform(0.0, 0.15)


def replay_of(study):
    return StudyConfig.from_mapping({"llm": "replay", "replay": study})


def test_a_study_asks_writes_tries_and_is_replayed_without_the_model(laboratory, asking, model_server, writer):
    laboratory.sandbox.delay_s = wobble
    study = create_study(asking, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials, writings = laboratory.trials(study), laboratory.writings(study)
    assert sum(t.rung == 0 for t in trials) == asking.trials + 1
    assert any(t.source == "llm" for t in trials)
    assert [w.state for w in writings] == [WritingState.VERIFIED] * 2
    for writing in writings:
        (first, *_) = [t for t in trials if f"{writing.slot}:{writing.name}" in t.components]
        assert first.source == "llm"
        assert first.proposal["writing"] == writing.id
        assert first.state is TrialState.COMPLETE
    assert len({t.space_version for t in trials}) == 3
    assert laboratory.study(study).space_version == trials[-1].space_version
    asked = len(model_server.requests)
    assert asked == len(laboratory.calls(study))

    for _ in range(2):
        again = create_study(replay_of(study), laboratory.workspace)
        assert run_study(again, laboratory.workspace) is StudyState.FINISHED
        assert facts(laboratory.trials(again)) == facts(trials)
        assert texts(laboratory.writings(again)) == texts(writings)
        assert not [event for event in laboratory.journal(again) if event.kind == "differs"]
        study = again  # a replay can be replayed
    assert len(model_server.requests) == asked
