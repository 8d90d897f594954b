from __future__ import annotations

import threading

import pytest
import streamlit as st

from tests.ui.app.conftest import View, said
from ui.diagnosis import Finding
from ui.reader import Reader


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    findings = [
        Finding("git", "ok", "2.39", needed=True),
        Finding("sandbox docker", "missing", "no engine answers at <unix>", "start Docker"),
        Finding("sandbox process", "note", "is no sandbox"),
    ]
    monkeypatch.setattr("ui.views.settings.examine", lambda workspace: findings)
    monkeypatch.setattr("ui.views.settings.WAITED_S", 30.0)
    st.cache_resource.clear()
    return findings


def test_findings_workspace_and_versions_are_shown(view: View, reader: Reader, found: list[Finding]) -> None:
    app = view("settings", reader)
    assert not app.exception
    assert "Studies can run here" in said(app)
    assert "sandbox docker**: no engine answers at <unix>" in said(app)
    assert {metric.label: metric.value for metric in app.metric}["trials"] == "6"
    assert str(reader.workspace) in said(app)
    assert "streamlit" in list(app.dataframe[-1].value["package"])


def test_a_key_is_said_to_be_set_and_never_shown(
    view: View, empty_reader: Reader, found: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    app = view("settings", empty_reader)
    assert not app.exception
    table = app.dataframe[0].value
    assert dict(zip(table["variable"], table["state"], strict=True))["OPENAI_API_KEY"] == "set"
    assert "sk-secret" not in said(app) + "".join(frame.value.to_csv() for frame in app.dataframe)


def test_what_stops_every_study_is_an_error(
    view: View, empty_reader: Reader, found: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    found[:] = [Finding("git", "missing", "not there", "install git", needed=True)]
    app = view("settings", empty_reader)
    assert "No study can run here" in said(app)
    assert "install git" in said(app)


def test_the_page_does_not_wait_for_a_slow_examination(
    view: View, empty_reader: Reader, found: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def slow(workspace: object) -> list[Finding]:
        released.wait(60)
        return found

    monkeypatch.setattr("ui.views.settings.examine", slow)
    monkeypatch.setattr("ui.views.settings.WAITED_S", 0.0)
    app = view("settings", empty_reader)
    assert "Looking at this machine" in said(app)
    assert len(app.dataframe) == 2
    released.set()
    monkeypatch.setattr("ui.views.settings.WAITED_S", 30.0)
    app.run()
    assert "Studies can run here" in said(app)
    assert not app.exception
