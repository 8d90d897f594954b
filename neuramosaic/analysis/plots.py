"""Figures of a study's course: the best so far, loss curves, loss and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from neuramosaic.analysis.leaderboard import (
    Progress,
    best_so_far,
    completed,
    fidelity,
    leaderboard,
    measured,
)
from neuramosaic.analysis.style import MUTED, PALETTE, blank_figure, loss_title
from neuramosaic.store.records import TrialRecord, TrialState

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")
RUNNING_MEAN = 8
HIGHLIGHTED = 5
CURVE_POINTS = 400
#: Lines of loss curves at most, and steps of the best so far beyond which only improvements are drawn.
LINES, STEPS = 150, 400

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
"""Metric rows (`step`, `tokens`, `train_loss`, `val_loss` ...) by trial id."""


def _hover(trial: TrialRecord) -> str:
    seconds = f"{trial.outcome.seconds:,.1f} s" if trial.outcome else "not finished"
    loss = f"{trial.val_loss:.4f}" if trial.val_loss is not None else str(trial.state)
    lines = (f"{trial.id} ({trial.source})", trial.label, f"loss {loss}", f"{trial.params:,} parameters, {seconds}")
    return "<br>".join(escape(line) for line in lines)


def best_so_far_figure(trials: Sequence[TrialRecord], unit: str) -> go.Figure:
    """Return the lowest loss against finished trials, one line per fidelity, the baseline dashed in its colour."""
    figure = blank_figure("Best so far", "finished trials of the fidelity", loss_title(unit), "each fidelity apart")
    baselines = {fidelity(row): row for row in reversed(completed(trials)) if row.source == "baseline"}
    for index, (level, all_steps) in enumerate(best_so_far(trials).items()):
        steps = _improvements(all_steps)
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


def _improvements(steps: list[Progress]) -> list[Progress]:
    """Return the steps, or of many only those that lowered the loss, and the last."""
    if len(steps) <= STEPS:
        return steps
    pairs = zip([None, *steps], steps, strict=False)
    return [step for before, step in pairs if before is None or step.best < before.best or step is steps[-1]]


def drawn_lines(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that loss curves are drawn of: the leaders, the baseline, and the newest of the others."""
    kept = set(_leaders(trials))
    others = [trial.id for trial in trials if trial.id not in kept]
    kept |= set(others[-max(LINES - len(kept), 0) :])
    return [trial for trial in trials if trial.id in kept]


def _leaders(trials: Sequence[TrialRecord]) -> list[str]:
    rows = leaderboard(trials)
    leaders = [row.trial.id for row in rows if not row.is_baseline][:HIGHLIGHTED]
    return leaders + [row.trial.id for row in rows if row.is_baseline][:1]


def loss_curves_figure(
    trials: Sequence[TrialRecord], curves: Curves, unit: str, *, highlighted: Sequence[str] | None = None
) -> go.Figure:
    """Return loss against tokens seen, one line per trial.

    The line is the train loss, averaged over the last `RUNNING_MEAN` rows; dots are the val loss where it was measured.

    Args:
        trials: The trials; of more than `LINES`, the leaders, the baseline and the newest are drawn.
        curves: Their metric rows.
        unit: Unit of the loss.
        highlighted: Ids of the trials with colours, at most as many as `PALETTE`; the leaders and the baseline by
            default.
    """
    subtitle = f"line: train loss, running mean of {RUNNING_MEAN}; dots: val loss"
    figure = blank_figure("Loss curves", "tokens of training", f"loss ({unit}, lower is better)", subtitle)
    leaders = _leaders(trials) if highlighted is None else list(highlighted)[: len(PALETTE)]
    trials = trials if highlighted is not None or len(trials) <= LINES else drawn_lines(trials)
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
    figure = blank_figure("Loss and cost", x_title, loss_title(unit), "star: baseline")
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
