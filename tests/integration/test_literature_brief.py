"""The brief of the literature in a whole study: kept in the journal, the same when the study goes on or is repeated."""

from __future__ import annotations

import json

import pytest

import graph.lab
import graph.nodes
from agents.literature import EVERY, Literature
from graph.lab import BRIEF, Lab
from graph.session import create_study, run_study
from knowledge.papers import Hit, Passage
from neuramosaic.store.records import StudyState
from neuramosaic.study import StudyConfig
from ui.cli import main


class Crash(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


def briefs(laboratory, study):
    return [event for event in laboratory.journal(study) if event.kind == BRIEF]


def facts(trials):
    return [(t.number, t.architecture_id, t.source, t.rung, t.val_loss, t.proposal.get("papers")) for t in trials]


def prompts(laboratory, study):
    return [call.messages for call in laboratory.calls(study) if call.prompt == "propose_architecture"]


@pytest.fixture
def shelf(monkeypatch):
    """A library that grows while studies run: what it answers counts how often it was asked."""
    asked: list[str] = []

    def search(text, limit):
        asked.append(text)
        return [Hit(Passage("2401.00001", 0, "3", 4, f"Said for the {len(asked)}th time."), "On Time", 1.0)][:limit]

    monkeypatch.setattr(graph.lab, "Lab", lambda **fields: Lab(**{**fields, "literature": Literature(search)}))
    return asked


def test_without_a_model_the_literature_is_looked_up_again_after_every_so_many_trials(laboratory, tiny):
    study = create_study(tiny.model_copy(update={"trials": 9}), laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    said = briefs(laboratory, study)
    finished = sum(trial.state.finished for trial in laboratory.trials(study))
    assert [event.data["after"] for event in said] == [*range(0, finished + 1, EVERY)]
    assert len(said) > 1
    assert all(event.agent == "literature" and event.data["findings"] for event in said)
    assert "loss on recall stays high: " in said[0].message
    assert said[0].data["findings"] != said[1].data["findings"]  # what was tried makes room
    assert all("papers" not in trial.proposal for trial in laboratory.trials(study))


def test_a_session_that_goes_on_uses_the_brief_that_was_made(laboratory, tiny, shelf, monkeypatch):
    study = create_study(tiny.model_copy(update={"trials": 4, "rungs": 1}), laboratory.workspace)
    trials_added = graph.nodes._add_trial

    def crash(lab, proposal):
        made = trials_added(lab, proposal)
        if made.number == 2:
            raise Crash
        return made

    with monkeypatch.context() as patched:
        patched.setattr("graph.nodes._add_trial", crash)
        with pytest.raises(Crash):
            run_study(study, laboratory.workspace)
    (before,) = briefs(laboratory, study)
    asked = len(shelf)
    assert asked > 0
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert briefs(laboratory, study) == [before]
    assert len(shelf) == asked


def test_a_replay_repeats_the_prompts_with_the_briefs_of_then(laboratory, asking, model_server, writer, shelf, capsys):
    config = asking.model_copy(update={"new_components": 0})
    study = create_study(config, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    first = briefs(laboratory, study)
    assert [event.data["after"] for event in first][:2] == [0, EVERY]
    asked, looked = len(model_server.requests), len(shelf)
    told = prompts(laboratory, study)
    assert all("Said for the" in str(messages) for messages in told)

    again = create_study(StudyConfig.from_mapping({"llm": "replay", "replay": study}), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert facts(laboratory.trials(again)) == facts(laboratory.trials(study))
    assert [event.data for event in briefs(laboratory, again)] == [event.data for event in first]
    assert prompts(laboratory, again) == told
    assert (len(model_server.requests), len(shelf)) == (asked, looked)

    cited = [trial for trial in laboratory.trials(study) if "papers" in trial.proposal]
    assert cited
    for trial in cited:
        assert set(trial.proposal["papers"]) <= {item["paper"] for event in first for item in event.data["findings"]}
    assert main(["show", cited[0].id, "-w", str(laboratory.workspace)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("papers ")]
    assert cited[0].proposal["papers"][0] in line
    assert main(["show", cited[0].id, "--json", "-w", str(laboratory.workspace)]) == 0
    assert json.loads(capsys.readouterr().out)["proposal"]["papers"] == cited[0].proposal["papers"]
