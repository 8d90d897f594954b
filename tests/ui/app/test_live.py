from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from graph.control import hold_lock
from neuramosaic.store.records import Event, StudyState
from tests.ui.app.conftest import View, said
from ui.agents_at_work import AGENTS, at_work, graph_dot
from ui.reader import Reader
from ui.views.live import curves_figure

STUDY = "text-1"


def event(number: int, agent: str, kind: str) -> Event:
    return Event(number, STUDY, "2026-01-01T00:00:00.000+00:00", agent, kind, "")


def test_the_agent_after_the_newest_line_is_at_work() -> None:
    last = {"designer": event(3, "designer", "proposed"), "session": event(9, "session", "started")}
    assert at_work(last, 0) == {"coder"}
    assert at_work({**last, "analyst": event(4, "analyst", "standing")}, 2) == {"designer", "runner"}
    assert at_work({}, 0) == set()


def test_the_graph_has_every_agent_and_fills_the_active_one() -> None:
    dot = graph_dot({"coder"}, ended=False, paused=False, dark=True)
    assert all(f"  {name} [" in dot for name in (*AGENTS, "report", "pause"))
    assert [line.split()[0] for line in dot.splitlines() if "penwidth=2.5" in line] == ["coder"]


def test_a_stopped_study_shows_its_agents_and_its_journal(view: View, reader: Reader) -> None:
    reader.store.add_event(STUDY, "designer", "proposed", "wide: <b>bayes</b> after 3 results", trial=f"{STUDY}.1")
    app = view("live", reader)
    assert not app.exception
    assert "resume it on the overview" in said(app)
    assert any("wide: <b>bayes</b> after 3 results" in text.value for text in app.text)
    messages = list(app.dataframe[0].value["message"])
    assert messages[0] == "wide: <b>bayes</b> after 3 results"
    app.multiselect[0].set_value(["runner"]).run()
    assert set(app.dataframe[0].value["agent"]) == {"runner"}
    app.text_input[1].set_value("#4").run()
    assert list(app.dataframe[0].value["trial"]) == ["#4"]
    app.text_input[0].set_value("nothing has this").run()
    assert "No line of the journal is like this" in said(app)


def test_a_running_study_shows_its_trials(view: View, reader: Reader, workspace: Path) -> None:
    reader.store.set_study_state(STUDY, StudyState.RUNNING)
    with hold_lock(STUDY, workspace):
        app = view("live", reader)
        assert not app.exception
        assert "a closed browser stops nothing" in said(app)
        assert "at work" in said(app)
        assert "None at this moment" not in said(app)


def test_curves_are_lines_and_dots_and_labels_are_no_html(reader: Reader) -> None:
    trial = replace(reader.outlines(STUDY)[4], label="<img src=x>")
    rows = [{"tokens": 1, "train_loss": 3.0}, {"tokens": 2, "train_loss": 2.0, "val_loss": 2.5}]
    figure = curves_figure([trial], {trial.id: rows}, "nats per byte")
    assert [(trace.mode, list(trace.y)) for trace in figure.data] == [("lines", [3.0, 2.0]), ("markers", [2.5])]
    assert "<img" not in figure.to_json()


def test_without_a_study_it_says_what_to_do(view: View, empty_reader: Reader) -> None:
    app = view("live", empty_reader)
    assert not app.exception
    assert "no study yet" in said(app)
