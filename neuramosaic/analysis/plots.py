"""Figures of a study. Colours can be told apart by colour-blind readers; backgrounds are clear, so any theme fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from neuramosaic.analysis.leaderboard import (
    Fidelity,
    best_so_far,
    completed,
    fidelity,
    leaderboard,
    measured,
)
from neuramosaic.analysis.projection import project
from neuramosaic.errors import InvalidArchitectureError
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialRecord, TrialState

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, without black and yellow, which vanish on a dark or a light page."""
MUTED = "#8c8c8c"
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")
RUNNING_MEAN = 8
HIGHLIGHTED = 5
CURVE_POINTS = 400

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
"""Metric rows (`step`, `tokens`, `train_loss`, `val_loss` ...) by trial id."""


def loss_title(unit: str) -> str:
    """Return the axis title of the validation loss."""
    return f"val loss ({unit}, lower is better)"


def _figure(title: str, x: str, y: str, subtitle: str = "") -> go.Figure:
    grid = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "linecolor": MUTED, "automargin": True}
    return go.Figure(
        layout={
            "title": {
                "text": escape(title),
                "subtitle": {"text": escape(subtitle), "font": {"size": 12}},
                "font": {"size": 15},
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
            },
            "xaxis": {"title": {"text": escape(x)}, **grid},
            "yaxis": {"title": {"text": escape(y)}, **grid},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": MUTED},
            "legend": {"orientation": "h", "y": -0.2, "x": 0, "yanchor": "top"},
            "margin": {"l": 60, "r": 20, "t": 64, "b": 60},
            "hovermode": "closest",
            "height": 430,
        }
    )


def _hover(trial: TrialRecord) -> str:
    seconds = f"{trial.outcome.seconds:,.1f} s" if trial.outcome else "not finished"
    loss = f"{trial.val_loss:.4f}" if trial.val_loss is not None else str(trial.state)
    lines = (f"{trial.id} ({trial.source})", trial.label, f"loss {loss}", f"{trial.params:,} parameters, {seconds}")
    return "<br>".join(escape(line) for line in lines)


def best_so_far_figure(trials: Sequence[TrialRecord], unit: str) -> go.Figure:
    """Return the lowest loss against finished trials, one line per fidelity, the baseline dashed in its colour."""
    figure = _figure("Best so far", "finished trials of the fidelity", loss_title(unit), "each fidelity apart")
    baselines = {fidelity(row): row for row in reversed(completed(trials)) if row.source == "baseline"}
    for index, (level, steps) in enumerate(best_so_far(trials).items()):
        colour = PALETTE[index % len(PALETTE)]
        figure.add_scatter(
            x=[step.finished for step in steps],
            y=[step.best for step in steps],
            text=[escape(step.trial) for step in steps],
            hovertemplate="after %{x} trials: %{y:.4f}<br>finished last: %{text}<extra></extra>",
            mode="lines+markers",
            line={"shape": "hv", "color": colour, "width": 2},
            name=f"best at {level}",
        )
        if level in baselines:
            figure.add_scatter(
                x=[steps[0].finished, steps[-1].finished],
                y=[measured(baselines[level])] * 2,
                mode="lines",
                line={"dash": "dash", "color": colour, "width": 1.5},
                name=f"baseline at {level}",
                hovertemplate="baseline: %{y:.4f}<extra></extra>",
            )
    return figure


def projection_figure(trials: Sequence[TrialRecord], space: ArchitectureSpace, unit: str) -> go.Figure:
    """Return the architectures in the plane of their first two principal components, coloured by loss.

    All losses are of the lowest fidelity, so that colours can be compared; failed trials are crosses. Architectures
    that `space` does not contain are left out.
    """
    finished = [trial for trial in trials if trial.state.finished]
    level = min((fidelity(trial) for trial in finished), default=Fidelity(0, 0))
    placed = [
        (trial, vector)
        for trial in finished
        if fidelity(trial) == level
        if (vector := _encode(trial, space)) is not None
    ]
    projection = project(np.array([vector for _, vector in placed]).reshape(len(placed), space.parameters.dimension))
    x, y = (f"principal component {axis + 1} ({projection.explained[axis]:.0%} of variance)" for axis in (0, 1))
    figure = _figure("Architectures tried", x, y, f"loss at {level}; star: baseline, cross: no result")
    groups = {"searched": "circle", "baseline": "star", "no result": "x"}
    for name, symbol in groups.items():
        chosen = [index for index, (trial, _) in enumerate(placed) if _group(trial) == name]
        if not chosen:
            continue
        marker: dict[str, Any] = {"symbol": symbol, "size": 15 if symbol == "star" else 10, "color": MUTED}
        if name != "no result":
            colours = [measured(placed[index][0]) for index in chosen]
            marker |= {"color": colours, "coloraxis": "coloraxis", "line": {"width": 1, "color": MUTED}}
        figure.add_scatter(
            x=projection.points[chosen, 0].tolist(),
            y=projection.points[chosen, 1].tolist(),
            mode="markers",
            marker=marker,
            text=[_hover(placed[index][0]) for index in chosen],
            hovertemplate="%{text}<extra></extra>",
            name=name,
            showlegend=False,
        )
    colour_bar = {"title": {"text": escape(f"loss, {unit}"), "side": "right"}, "thickness": 14}
    figure.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": colour_bar})
    return figure


def _group(trial: TrialRecord) -> str:
    if trial.val_loss is None:
        return "no result"
    return "baseline" if trial.source == "baseline" else "searched"


def _encode(trial: TrialRecord, space: ArchitectureSpace) -> np.ndarray | None:
    try:
        return space.encode(Architecture.from_json(trial.architecture))
    except InvalidArchitectureError:
        return None


def loss_curves_figure(trials: Sequence[TrialRecord], curves: Curves, unit: str) -> go.Figure:
    """Return loss against tokens seen, one line per trial; the leaders and the baseline have colours.

    The line is the train loss, averaged over the last `RUNNING_MEAN` rows; dots are the val loss where it was measured.
    """
    subtitle = f"line: train loss, running mean of {RUNNING_MEAN}; dots: val loss"
    figure = _figure("Loss curves", "tokens of training", f"loss ({unit}, lower is better)", subtitle)
    rows = leaderboard(trials)
    leaders = [row.trial.id for row in rows if not row.is_baseline][:HIGHLIGHTED]
    leaders += [row.trial.id for row in rows if row.is_baseline][:1]
    baseline = {trial.id for trial in trials if trial.source == "baseline"}
    colours = dict(zip(leaders, PALETTE, strict=False))
    for trial in sorted(trials, key=lambda trial: trial.id in colours):
        curve = curves.get(trial.id, ())
        line, dots = _thinned(_running_mean(_points(curve, "train_loss"))), _points(curve, "val_loss")
        if not line and not dots:
            continue
        led = trial.id in colours
        hover = f"{escape(trial.id)}<br>{escape(trial.label)}<br>%{{x:,}} tokens: %{{y:.4f}}<extra></extra>"
        common = {"opacity": 1.0 if led else 0.45, "legendgroup": trial.id, "hovertemplate": hover}
        figure.add_scatter(
            x=[tokens for tokens, _ in line or dots],
            y=[loss for _, loss in line or dots],
            mode="lines",
            line={
                "color": colours.get(trial.id, MUTED),
                "width": 2 if led else 1,
                "dash": "dash" if trial.id in baseline else "solid",
            },
            name=escape(f"{trial.id} (baseline)" if trial.id in baseline else trial.id),
            showlegend=led,
            legendrank=leaders.index(trial.id) if led else None,
            **common,
        )
        if dots:
            figure.add_scatter(
                x=[tokens for tokens, _ in dots],
                y=[loss for _, loss in dots],
                mode="markers",
                marker={"size": 7, "color": colours.get(trial.id, MUTED)},
                name=escape(f"{trial.id} val"),
                showlegend=False,
                **common,
            )
    return figure


def _points(curve: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(row["tokens"], row[key]) for row in curve if row.get(key) is not None]


def _running_mean(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    losses = [loss for _, loss in points]
    windows = (losses[max(0, index + 1 - RUNNING_MEAN) : index + 1] for index in range(len(losses)))
    return [(tokens, sum(window) / len(window)) for (tokens, _), window in zip(points, windows, strict=True)]


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    if len(points) <= CURVE_POINTS:
        return points
    return points[:: -(-len(points) // CURVE_POINTS)] + points[-1:]


def cost_figure(trials: Sequence[TrialRecord], unit: str) -> go.Figure:
    """Return loss against wall time of the trial, one symbol per fidelity, the baseline larger."""
    x_title = "wall time of the trial (seconds, lower is better)"
    figure = _figure("Loss and cost", x_title, loss_title(unit), "star: baseline")
    done = [trial for trial in completed(trials) if trial.state is TrialState.COMPLETE and trial.outcome]
    for index, level in enumerate(sorted({fidelity(trial) for trial in done})):
        # The legend shows the first trial's symbol: the baseline's star comes last.
        group = sorted((t for t in done if fidelity(t) == level), key=lambda t: t.source == "baseline")
        figure.add_scatter(
            x=[trial.outcome.seconds for trial in group if trial.outcome],
            y=[measured(trial) for trial in group],
            mode="markers",
            marker={
                "symbol": ["star" if trial.source == "baseline" else SYMBOLS[index % len(SYMBOLS)] for trial in group],
                "size": [15 if trial.source == "baseline" else 9 for trial in group],
                "color": PALETTE[index % len(PALETTE)],
            },
            text=[_hover(trial) for trial in group],
            hovertemplate="%{text}<extra></extra>",
            name=str(level),
        )
    return figure
