from __future__ import annotations

import time
from pathlib import Path

import pytest

from graph.control import hold_lock, is_running
from neuramosaic.store.ledger import Call, Ledger
from neuramosaic.store.records import StudyState
from neuramosaic.study import StudyConfig
from tests.ui.app.conftest import View, said
from ui.forecast import forecast
from ui.reader import Reader

STUDY = "text-1"


def test_a_study_is_shown_with_progress_best_and_cost(view: View, reader: Reader) -> None:
    Ledger(reader.store).record(
        Call(
            "r",
            1,
            "propose",
            "openai",
            "m",
            "p",
            "1",
            (),
            {},
            "ok",
            "a",
            1.0,
            counted_tokens=1500,
            counted_usd=0.25,
            study=STUDY,
        )
    )
    app = view("overview", reader)
    assert not app.exception
    metrics = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert metrics["Best val loss (nats per byte)"] == ("2.4000", "-0.1000 against the baseline")
    assert metrics["State"][0] == "STOPPED"
    assert metrics["Trial time"][0] == "36 s"
    assert metrics["Training (FLOPs)"][0] == "9e+12"
    assert metrics["Language model (tokens)"][0] == "1.50k"
    assert metrics["Price (USD)"][0] == "0.2500"
    assert list(app.dataframe[0].value["study"]) == [STUDY]
    assert "Resume" in [button.label for button in app.button]


def test_without_a_workspace_a_study_can_be_started(view: View, empty_reader: Reader) -> None:
    app = view("overview", empty_reader)
    assert not app.exception
    assert "no study yet" in said(app)
    assert "17 trials" not in said(app)
    assert "12 trials (9 + 3 by rung)" in said(app)
    app.number_input[0].set_value(16).run()
    assert "23 trials (17 + 6 by rung)" in said(app)
    assert "not known before its first trials" in said(app)
    assert not empty_reader.exists


def test_wrong_entries_are_said_and_nothing_can_be_started(view: View, empty_reader: Reader) -> None:
    app = view("overview", empty_reader)
    app.text_input[0].set_value("many").run()
    assert not app.exception
    assert "'many' is no count" in said(app)
    app.text_input[0].set_value("100").run()
    (start,) = [button for button in app.button if button.label == "Start the study"]
    start.click().run()
    assert not app.exception
    assert "100" in app.error[-1].value
    assert empty_reader.studies() == []


def test_a_running_study_is_asked_to_stop(view: View, reader: Reader, workspace: Path) -> None:
    reader.store.set_study_state(STUDY, StudyState.RUNNING)
    with hold_lock(STUDY, workspace):
        app = view("overview", reader)
        assert "RUNNING" in [metric.value for metric in app.metric]
        (stop,) = [button for button in app.button if button.label == "Stop"]
        stop.click().run()
        assert [command.kind for command in reader.store.pending_commands(STUDY)] == ["stop"]
        (stopping,) = [button for button in app.button if button.label == "Stopping ..."]
        assert stopping.disabled


def test_a_study_whose_process_died_is_said_to_be_interrupted(view: View, reader: Reader) -> None:
    reader.store.set_study_state(STUDY, StudyState.RUNNING)
    assert "The process that ran this study is gone" in said(view("overview", reader))


def test_resume_starts_a_process_and_what_it_says_is_shown(view: View, reader: Reader, workspace: Path) -> None:
    app = view("overview", reader)
    (resume,) = [button for button in app.button if button.label == "Resume"]
    resume.click().run()
    for _ in range(600):  # it ends at once: the text file of the study is not there
        if not is_running(STUDY, workspace):
            break
        time.sleep(0.1)
    app.run()
    assert reader.study(STUDY).state is StudyState.FAILED
    assert reader.study(STUDY).message[:30] in said(app)


def test_the_forecast_follows_the_limit_and_what_was_measured(reader: Reader) -> None:
    config = StudyConfig(trials=8, rungs=1, params=30_000, tokens=4096)
    unknown = forecast(config, (), 2)
    assert (unknown.trials, unknown.tokens, unknown.seconds) == ((9,), 9 * 4096, None)
    assert unknown.flops == pytest.approx(6 * 9 * 4096 * 30_000)
    known = forecast(config, reader.outlines(STUDY), 2)
    assert known.seconds == pytest.approx(9 * 12 / 2, rel=0.1)
    limited = forecast(config.model_copy(update={"max_hours": 0.001}), reader.outlines(STUDY), 2)
    assert limited.seconds == pytest.approx(3.6)
    assert limited.limited
