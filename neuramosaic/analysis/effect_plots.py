"""What goes with a lower loss, in figures: components with intervals, pairs of them, and all numbers side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from neuramosaic.analysis.designs import Designs
from neuramosaic.analysis.effects import Effect, Interaction
from neuramosaic.analysis.style import LOSS_SCALE, MUTED, PALETTE, blank_figure, colour_bar
from neuramosaic.space.domains import Categorical, Float

#: Height of a line of a figure of intervals, in pixels, and of what is around the lines.
LINE, AROUND = 24, 150
#: Whole numbers on an axis of parallel coordinates that each have a tick, at most.
WHOLE = 12
#: Lines of parallel coordinates at most, and those of them that are kept for the lowest losses.
LINES, BEST = 200, 50


def effects_figure(effects: Sequence[Effect], unit: str) -> go.Figure:
    """Return the difference in loss that goes with each component, with its interval; the most favourable on top."""
    level = f" at {effects[0].fidelity}" if effects else ""
    subtitle = f"mean loss with it minus without{level}; 95 % intervals"
    rows = [
        (
            effect.component,
            effect.difference,
            effect.low,
            effect.high,
            f"{effect.n_with} with, {effect.n_without} without",
        )
        for effect in effects
    ]
    return _intervals("Components", subtitle, rows, unit)


def interactions_figure(interactions: Sequence[Interaction], unit: str) -> go.Figure:
    """Return how far pairs of components differ from the sum of their two effects, with intervals."""
    rows = [
        (f"{pair.first} and {pair.second}", pair.difference, pair.low, pair.high, f"{pair.n_both} with both")
        for pair in interactions
    ]
    return _intervals("Pairs of components", "together, against the sum of the two; 95 % intervals", rows, unit)


def _intervals(title: str, subtitle: str, rows: Sequence[tuple[str, float, float, float, str]], unit: str) -> go.Figure:
    figure = blank_figure(title, f"difference in val loss ({unit}, negative is better)", "", subtitle)
    kinds = {"lower loss": PALETTE[0], "higher loss": PALETTE[1], "interval holds zero": MUTED}
    for name, colour in kinds.items():
        chosen = [row for row in rows if _kind(row[2], row[3]) == name]
        if not chosen:
            continue
        figure.add_scatter(
            x=[row[1] for row in chosen],
            y=[escape(row[0]) for row in chosen],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row[3] - row[1] for row in chosen],
                "arrayminus": [row[1] - row[2] for row in chosen],
                "color": colour,
                "thickness": 2,
                "width": 4,
            },
            text=[f"{row[2]:+.4f} to {row[3]:+.4f}<br>{escape(row[4])}" for row in chosen],
            hovertemplate="%{y}: %{x:+.4f}<br>%{text}<extra></extra>",
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": "diamond" if name == "interval holds zero" else "circle"},
            name=name,
        )
    order = [escape(row[0]) for row in reversed(rows)]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order)
    figure.update_xaxes(zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    height = AROUND + LINE * max(len(rows), 3)
    # Below the axis by as many pixels, whatever the height.
    legend = {"orientation": "h", "y": -62 / (height - AROUND), "yanchor": "top", "x": 0}
    figure.update_layout(height=height, legend=legend, margin={"b": AROUND - 64})
    return figure


def _kind(low: float, high: float) -> str:
    if low <= 0 <= high:
        return "interval holds zero"
    return "lower loss" if high < 0 else "higher loss"


def parallel_figure(designs: Designs, unit: str) -> go.Figure:
    """Return parallel coordinates: a line for each architecture through its numbers and its loss, coloured by loss.

    The numbers are the parameters that every architecture of the space has, and how many parameters its model has.
    Where lines cross an axis of a logarithmic parameter, the axis is logarithmic too.
    """
    losses = designs.losses
    known = _drawn(losses)
    figure = blank_figure(
        "All numbers", "", "", f"a line is an architecture at {designs.level}; drag along an axis to filter"
    )
    if not len(known):
        return figure
    dimensions: list[dict[str, Any]] = []
    for parameter in designs.space.parameters:
        if isinstance(parameter, Categorical):
            continue
        values = np.array([designs.points[index].get(parameter.name, math.nan) for index in known], dtype=float)
        if np.isnan(values).any() or np.ptp(values) == 0:
            continue
        name = parameter.name.removeprefix("training.").replace("_", " ")
        log = isinstance(parameter, Float) and parameter.log
        dimensions.append(_log_dimension(name, values) if log else _dimension(name, values))
    params = np.array([designs.trials[index].params for index in known], dtype=float)
    if np.ptp(params):
        dimensions.append({"label": "model parameters", "values": params.tolist()})
    shown = losses[known]
    last = float(np.quantile(shown, 0.95))
    dimensions.append({"label": "val loss", "values": shown.tolist()})
    figure.add_parcoords(
        dimensions=dimensions,
        line={
            "color": shown.tolist(),
            "colorscale": LOSS_SCALE,
            "colorbar": colour_bar(f"loss, {unit}") | {"x": 1.05},
            "showscale": True,
            **({"cmin": float(shown.min()), "cmax": last} if shown.min() < last else {}),
        },
        labelangle=-20,  # long names would overlap on a narrow page
        labelfont={"color": MUTED, "size": 12, "shadow": "none"},
        tickfont={"color": MUTED, "size": 11, "shadow": "none"},
        rangefont={"color": "rgba(0,0,0,0)", "size": 1},  # the ticks say it already
        domain={"x": [0.0, 0.95], "y": [0.0, 0.8]},  # the names need room above
    )
    figure.update_layout(margin={"l": 70, "r": 40, "t": 70, "b": 30}, height=480)
    return figure


def _drawn(losses: np.ndarray) -> np.ndarray:
    """Return which architectures have a line: of many, those of the lowest losses, and the others evenly by loss."""
    known = np.flatnonzero(~np.isnan(losses))
    if len(known) <= LINES:
        return known
    order = known[np.argsort(losses[known], kind="stable")]
    others = order[BEST:]
    picks = np.linspace(0, len(others) - 1, LINES - BEST).round().astype(int)
    return np.sort(np.concatenate([order[:BEST], others[picks]]))


def _dimension(name: str, values: np.ndarray) -> dict[str, Any]:
    dimension: dict[str, Any] = {"label": name, "values": values.tolist()}
    whole = np.unique(values)
    if len(whole) <= WHOLE and (whole == whole.round()).all():
        dimension |= {"tickvals": whole.tolist(), "ticktext": [f"{value:,.0f}" for value in whole]}
    return dimension


def _log_dimension(name: str, values: np.ndarray) -> dict[str, Any]:
    logs = np.log10(values)
    low, high = float(logs.min()), float(logs.max())
    marks = [base * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for base in (1, 2, 5)]
    marks = [mark for mark in marks if low <= math.log10(mark) <= high]
    return {
        "label": f"{name} (log)",
        "values": logs.tolist(),
        "tickvals": [math.log10(mark) for mark in marks],
        "ticktext": [f"{mark:.3g}" for mark in marks],
    }
