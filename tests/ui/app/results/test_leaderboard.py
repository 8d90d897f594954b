from pathlib import Path
from typing import Any

import pytest

from neuramosaic.store.store import Store
from ui.reader import Reader
from ui.results import board


def table(app: Any) -> Any:
    return app.dataframe[0].value


def test_it_lists_every_trial_the_best_of_the_highest_fidelity_first(show: Any, studied: Path) -> None:
    app = show("leaderboard", studied)
    assert not app.exception
    shown = table(app)
    assert len(shown) == 18
    assert list(shown["number"][:3]) == [17, 3, 0]
    assert shown["number"].iloc[-1] == 5  # it failed
    assert "it diverged" in shown["reason"].iloc[-1]


def test_the_difference_is_from_the_baseline_of_the_same_fidelity(studied: Path) -> None:
    frame = board(Reader(studied), "text-1").set_index("number")
    assert frame.loc[3, "difference"] == pytest.approx(-0.5)
    assert frame["difference"].isna()[[0, 5, 17]].all()  # the baseline, a failed one, a fidelity without a baseline


def test_filters_narrow_the_table(show: Any, studied: Path) -> None:
    app = show("leaderboard", studied)
    app.multiselect(key="filter source").select("baseline").run()
    assert list(table(app)["number"]) == [0]
    app.multiselect(key="filter source").set_value([]).run()
    app.multiselect(key="filter state").select("FAILED").run()
    assert list(table(app)["number"]) == [5]
    app.multiselect(key="filter state").set_value([]).run()
    app.text_input(key="filter text").input("DIVERGED").run()
    assert list(table(app)["number"]) == [5]
    app.text_input(key="filter text").input("no such words").run()
    assert not app.dataframe
    assert "No trial passes these filters" in app.info[0].value


def test_components_must_all_be_there(show: Any, studied: Path) -> None:
    app = show("leaderboard", studied)
    app.multiselect(key="filter components").select("mixer:attention").select("residual:pre").run()
    kept = set(table(app)["number"])
    with Store.open(studied, create=False) as store:
        wanted = {
            trial.number
            for trial in store.trials("text-1")
            if {"mixer:attention", "residual:pre"} <= set(trial.components)
        }
    assert kept == wanted
    assert 0 in kept


def test_a_study_without_trials_says_what_to_do(show: Any, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        study = store.create_study("text", {"task": "text:x"}, {}, "v").id
    app = show("leaderboard", tmp_path)
    assert not app.exception
    assert "no trial yet" in app.info[0].value
    assert study in app.code[0].value


@pytest.mark.parametrize("view", ["leaderboard", "trial", "pareto", "space_map", "effects"])
def test_an_empty_workspace_says_how_to_start(view: str, show: Any, tmp_path: Path) -> None:
    app = show(view, tmp_path)
    assert not app.exception
    assert "no study yet" in app.info[0].value
    assert "neuramosaic run" in app.code[0].value


@pytest.fixture
def compared(show: Any, studied: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The leaderboard with two rows ticked: a test cannot click into a table."""
    import streamlit as st

    draw = st.dataframe

    def ticked(data: Any, **options: Any) -> Any:
        drawn = draw(data, **options)
        return {"selection": {"rows": [0, 2]}} if "on_select" in options else drawn

    monkeypatch.setattr(st, "dataframe", ticked)
    return show("leaderboard", studied)


def test_ticked_trials_are_compared(compared: Any) -> None:
    assert not compared.exception
    assert [tab.label for tab in compared.tabs] == ["Curves", "Architectures", "Code", "Cost"]
    diff = compared.code[0].value
    assert "--- text-1.17" in diff
    assert "-# model 17\n+# model 0" in diff
    cost = next(frame.value for frame in compared.dataframe if "peak memory" in frame.value.index)
    assert cost.loc["peak memory", "text-1.17"] == "400.0 MiB"
    assert cost.loc["val loss (nats per byte)", "text-1.0"] == "2.5000"
    differing = next(frame.value for frame in compared.dataframe if "training.learning_rate" in frame.value.index)
    assert differing.loc["training.learning_rate", "text-1.0"] == "0.003"
    assert "format" not in differing.index


def test_code_can_be_seen_side_by_side(compared: Any) -> None:
    compared.toggle(key="diff beside").set_value(True).run()
    assert ["# model 17" in compared.code[0].value, "# model 0" in compared.code[1].value] == [True, True]
