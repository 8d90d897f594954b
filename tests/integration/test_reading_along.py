"""Papers that are read while a study runs: what they describe is written, tried in that study, and replayed."""

import pytest

import graph.lab
from graph.reading_along import TakenIn
from graph.session import create_study, run_study
from graph.steering import submit
from neuramosaic.components.card import Card
from neuramosaic.store.commands import Commands
from neuramosaic.store.records import StudyState, WritingState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

CARD = Card.from_mapping(
    {
        "name": "gated_unit",
        "slot": "channel",
        "summary": "A map and a gate",
        "equations": ["y_t = W_o (W_v x_t * sigmoid(W_g x_t))"],
        "paper": "2401.00001",
        "pages": [3],
    }
)


@pytest.fixture
def papers(monkeypatch):
    """Papers that describe one component, whatever names them; what was asked for is noted."""
    asked = []

    def reader(store, workspace, model, say):
        def read(reference):
            asked.append(reference)
            proposal = {"paper": "2401.00001", "title": "On Gates", "why": "new, by the paper"}
            return TakenIn(
                "On Gates: read, channel gated_unit (new)", ({"card": CARD.to_yaml(), "proposal": proposal},)
            )

        return read

    monkeypatch.setattr(graph.lab, "paper_reader", reader)
    return asked


def test_a_component_of_a_paper_joins_the_study_that_read_it(laboratory, asking, model_server, writer, papers):
    study = create_study(asking.model_copy(update={"new_components": 0}), laboratory.workspace)
    with Store.open(laboratory.workspace) as store:
        submit(store, study, "/ingest 2401.00001", by="ada")
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert papers == ["2401.00001"]
    (writing,) = laboratory.writings(study)
    assert (writing.source, writing.state, writing.proposal["title"]) == ("paper", WritingState.VERIFIED, "On Gates")
    (first, *_) = [trial for trial in laboratory.trials(study) if "channel:gated_unit" in trial.components]
    assert (first.source, first.proposal["writing"]) == ("paper", writing.id)
    with Store.open(laboratory.workspace) as store:
        (record,) = Commands(store).log(study)
        assert "gated_unit" in record.effect

    again = create_study(StudyConfig.from_mapping({"llm": "replay", "replay": study}), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert papers == ["2401.00001"]  # nothing is read again
    repeated = [(trial.number, trial.architecture_id, trial.source) for trial in laboratory.trials(again)]
    assert repeated == [(trial.number, trial.architecture_id, trial.source) for trial in laboratory.trials(study)]
