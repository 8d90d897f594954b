"""The map of a space: the architectures that were tried, in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from neuramosaic.analysis.clusters import Cluster
from neuramosaic.analysis.designs import Designs, Measurement
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE
from neuramosaic.analysis.projection import neighbour_embedding, project
from neuramosaic.analysis.style import LOSS_SCALE, MUTED, PALETTE, blank_figure, colour_bar

PCA, NEIGHBOURS = "principal components", "neighbourhoods (t-SNE)"
#: Points that t-SNE places at most: its time grows with their square.
MOST_NEIGHBOURS = 400
#: Quantile of the losses beyond which all have the last colour, so that a few bad ones do not take the whole scale.
LAST_COLOUR = 0.95
_GROUPS = {"no result": "x", "searched": "circle", "baseline": "star"}


def place(designs: Designs, method: str = PCA) -> tuple[npt.NDArray[np.float64], str, str]:
    """Return where architectures lie in the plane, shape `(n, 2)`, and the titles of the two axes.

    Args:
        designs: The architectures.
        method: `PCA` or `NEIGHBOURS`.
    """
    if method == NEIGHBOURS:
        return neighbour_embedding(designs.features), "t-SNE 1 (no unit)", "t-SNE 2 (no unit)"
    projection = project(designs.features)
    x, y = (f"principal component {axis + 1} ({projection.explained[axis]:.0%} of variance)" for axis in (0, 1))
    return projection.points, x, y


def map_figure(
    designs: Designs,
    unit: str,
    *,
    placed: tuple[npt.NDArray[np.float64], str, str] | None = None,
    labels: npt.NDArray[np.int64] | None = None,
    clusters: Sequence[Cluster] = (),
    by_cluster: bool = False,
) -> go.Figure:
    """Return the architectures in the plane, coloured by loss; failed trials are crosses.

    Args:
        designs: The architectures, all of one fidelity, so that colours can be compared.
        unit: Unit of the loss.
        placed: What `place` returned; their principal components by default.
        labels: The cluster of each, from 1, shape `(n,)`.
        clusters: The clusters, whose numbers are written where their centres lie.
        by_cluster: Colour by cluster instead of loss.
    """
    points, x, y = placed or place(designs)
    figure = blank_figure("Architectures tried", x, y, f"loss at {designs.level}; star: baseline, cross: no result")
    groups = np.array([_group(trial) for trial in designs.trials])
    for name, symbol in _GROUPS.items():
        chosen = np.flatnonzero(groups == name)
        if not len(chosen):
            continue
        marker: dict[str, Any] = {"symbol": symbol, "size": 15 if symbol == "star" else 9, "color": MUTED}
        if by_cluster and labels is not None:
            marker["color"] = [PALETTE[(labels[index] - 1) % len(PALETTE)] for index in chosen]
        elif name != "no result":
            colours = [designs.trials[index].val_loss for index in chosen]
            marker |= {"color": colours, "coloraxis": "coloraxis", "line": {"width": 1, "color": MUTED}}
        figure.add_scatter(
            x=points[chosen, 0].tolist(),
            y=points[chosen, 1].tolist(),
            mode="markers",
            marker=marker,
            text=[hover(designs.trials[index], None if labels is None else int(labels[index])) for index in chosen],
            customdata=[designs.trials[index].id for index in chosen],
            hovertemplate="%{text}<extra></extra>",
            name=name,
            showlegend=False,
        )
    if labels is not None:
        for group in clusters:
            centre = points[labels == group.number].mean(axis=0)
            figure.add_annotation(
                x=float(centre[0]),
                y=float(centre[1]),
                text=f"<b>{group.number}</b>",
                showarrow=False,
                font={"size": 14, "color": "#1d2126"},
                bgcolor="rgba(255,255,255,0.85)",
                bordercolor=PALETTE[(group.number - 1) % len(PALETTE)],
                borderwidth=2,
                borderpad=3,
            )
    measured = designs.losses[~np.isnan(designs.losses)]
    if len(measured) and not by_cluster:
        ends = {"cmin": float(measured.min()), "cmax": float(np.quantile(measured, LAST_COLOUR))}
        bar = colour_bar(f"loss, {unit}")
        figure.update_layout(
            coloraxis={"colorscale": LOSS_SCALE, "colorbar": bar} | (ends if len(measured) > 1 else {})
        )
    return figure


def hover(trial: Measurement, cluster: int | None = None) -> str:
    """Return what is shown of a trial under the pointer, escaped."""
    loss = f"{trial.val_loss:.4f}" if trial.val_loss is not None else trial.state
    seconds = "not finished" if trial.seconds is None else f"{trial.seconds:,.1f} s"
    lines = [f"{trial.id} ({trial.source})", trial.label, f"loss {loss}", f"{trial.params:,} parameters, {seconds}"]
    if cluster:
        lines.append(f"cluster {cluster}")
    return "<br>".join(escape(line) for line in lines)


def _group(trial: Measurement) -> str:
    if trial.val_loss is None:
        return "no result"
    return "baseline" if trial.source == BASELINE_SOURCE else "searched"
