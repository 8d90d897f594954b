"""Loss against cost, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from neuramosaic.analysis.designs import Measurement
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE
from neuramosaic.analysis.map_plots import hover
from neuramosaic.analysis.pareto import Cost, pareto_front
from neuramosaic.analysis.style import MUTED, PALETTE, blank_figure, loss_title

#: Points that are drawn off the front, at most.
MOST = 1500
#: Quotient of the greatest and the least cost from which on its axis is logarithmic.
LOG_FROM = 8.0


def pareto_figure(trials: Sequence[Measurement], cost: Cost, unit: str, *, rng: np.random.Generator) -> go.Figure:
    """Return loss against a cost: the front as a line, the baseline as a star.

    Args:
        trials: Trials of one fidelity, whose losses can be compared.
        cost: The horizontal axis.
        unit: Unit of the loss.
        rng: Source of the choice of what is drawn where there are too many points.
    """
    known = [trial for trial in trials if trial.val_loss is not None and cost.of(trial) is not None]
    front = pareto_front(known, cost)
    leading = {trial.id for trial in front}
    baselines = [trial for trial in known if trial.source == BASELINE_SOURCE]
    others = [trial for trial in known if trial.id not in leading and trial.source != BASELINE_SOURCE]
    subtitle = "line: the Pareto front; star: baseline"
    if len(others) > MOST:
        subtitle += f"; {MOST:,} of the {len(others):,} others, chosen at random"
        others = [others[index] for index in sorted(rng.choice(len(others), size=MOST, replace=False))]
    figure = blank_figure("Loss and cost", f"{cost.title}, lower is better", loss_title(unit), subtitle)
    _points(figure, others, cost, "other trials", {"color": MUTED, "size": 7, "opacity": 0.6}, "markers")
    marker = {"color": PALETTE[0], "size": 10, "symbol": "circle"}
    _points(figure, front, cost, "Pareto front", marker, "lines+markers")
    _points(figure, baselines, cost, "baseline", {"color": PALETTE[1], "size": 15, "symbol": "star"}, "markers")
    prices = [price for trial in known if (price := cost.of(trial))]
    if prices and max(prices) > LOG_FROM * min(prices) > 0:
        figure.update_xaxes(type="log")
    return figure


def _points(
    figure: go.Figure, trials: Sequence[Measurement], cost: Cost, name: str, marker: dict[str, object], mode: str
) -> None:
    if not trials:
        return
    figure.add_scatter(
        x=[cost.of(trial) for trial in trials],
        y=[trial.val_loss for trial in trials],
        text=[hover(trial) for trial in trials],
        hovertemplate="%{text}<extra></extra>",
        mode=mode,
        line={"shape": "hv", "width": 2, "color": PALETTE[0]},
        marker=marker,
        name=name,
    )
