from dataclasses import replace
from typing import Any

import pytest

from neuramosaic.analysis.designs import describe, measurement
from neuramosaic.analysis.map_plots import map_figure
from neuramosaic.analysis.plots import best_so_far_figure, cost_figure, loss_curves_figure
from neuramosaic.space.architecture_space import ArchitectureSpace

UNIT = "nats per byte"


def names(figure: Any) -> list[str]:
    return [trace.name for trace in figure.data]


def test_every_axis_of_loss_names_unit_and_direction(trials: Any, curves: Any) -> None:
    for figure in (
        best_so_far_figure(trials, UNIT),
        loss_curves_figure(trials, curves, UNIT),
        cost_figure(trials, UNIT),
    ):
        assert figure.layout.yaxis.title.text.endswith("loss (nats per byte, lower is better)")
        assert figure.layout.xaxis.title.text


def test_best_so_far_never_rises_and_names_the_fidelity(trials: Any) -> None:
    figure = best_so_far_figure(trials, UNIT)
    assert names(figure) == [
        "best at rung 0, 1,000,000 tokens",
        "baseline at rung 0, 1,000,000 tokens",
        "best at rung 1, 3,000,000 tokens",
        "baseline at rung 1, 3,000,000 tokens",
    ]
    best = figure.data[0].y
    assert list(best) == sorted(best, reverse=True)
    assert set(figure.data[1].y) == {2.1}


def test_only_the_leaders_and_the_baseline_have_colours_in_the_loss_curves(trials: Any, curves: Any) -> None:
    figure = loss_curves_figure(trials, curves, UNIT)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(lines) == len([trial for trial in trials if curves.get(trial.id)])
    coloured = [trace for trace in figure.data if trace.showlegend]
    assert len(coloured) == 6
    assert len({trace.line.color for trace in coloured}) == 6
    assert [trace.name for trace in coloured if trace.line.dash == "dash"] == ["python-code-1.18 (baseline)"]


@pytest.mark.parametrize("length", [1, 401, 5000])
def test_long_curves_are_thinned_but_keep_their_ends(trials: Any, length: int) -> None:
    rows = [{"tokens": 10 * step, "train_loss": 2.0} for step in range(length)]
    rows.append({"tokens": 10 * length, "train_loss": 2.0, "val_loss": 1.5})
    line, dots = loss_curves_figure(trials[:1], {trials[0].id: rows}, UNIT).data
    assert len(line.x) <= 401
    assert (line.x[0], line.x[-1]) == (0, 10 * length)
    assert (dots.x, dots.y) == ((10 * length,), (1.5,))


def test_the_train_loss_is_a_running_mean(trials: Any) -> None:
    rows = [{"tokens": step, "train_loss": float(step)} for step in range(20)]
    (line,) = loss_curves_figure(trials[:1], {trials[0].id: rows}, UNIT).data
    assert line.y[0] == 0.0
    assert line.y[-1] == sum(range(12, 20)) / 8


def test_text_from_trials_is_shown_and_never_interpreted(trials: Any, curves: Any, space: ArchitectureSpace) -> None:
    hostile = [replace(trial, label='<a href="javascript:x">', source="<b>") for trial in trials]
    architectures = {trial.architecture_id: trial.architecture for trial in trials}
    hostile_designs = describe([measurement(trial) for trial in hostile], architectures, space.parameters)
    for figure in (
        map_figure(hostile_designs, UNIT),
        cost_figure(hostile, UNIT),
        loss_curves_figure(hostile, curves, UNIT),
    ):
        text = figure.to_json()
        assert "<a " not in text.replace("\\u003c", "<")
        assert "<b>" not in text.replace("\\u003c", "<")


def test_figures_of_nothing_are_empty(space: ArchitectureSpace) -> None:
    figures = [
        best_so_far_figure([], UNIT),
        map_figure(describe([], {}, space.parameters), UNIT),
        loss_curves_figure([], {}, UNIT),
        cost_figure([], UNIT),
    ]
    assert [len(figure.data) for figure in figures] == [0, 0, 0, 0]
