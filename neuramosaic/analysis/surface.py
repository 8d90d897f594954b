"""The loss over two dimensions of a space: as observed, and as a Gaussian process expects it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from neuramosaic.analysis.designs import Designs
from neuramosaic.analysis.style import DEVIATION_SCALE, LOSS_SCALE, blank_figure, colour_bar
from neuramosaic.errors import UsageError
from neuramosaic.search.objectives import winsorised
from neuramosaic.search.surrogate import Surrogate
from neuramosaic.space.domains import Categorical, Integer, Parameter

Array = npt.NDArray[np.float64]

#: Cells of an axis whose parameter has more values, and values up to which each has its own cell.
BINS, VALUES = 8, 16
#: Trials that the process is fitted to at most, and the least that it takes.
FITTED, FEWEST = 250, 5
#: Architectures over which a prediction is averaged.
BACKGROUND = 48


@dataclass(frozen=True)
class Axis:
    """A dimension cut into cells.

    Attributes:
        index: Of the parameter in its space.
        name: Of the parameter.
        labels: Of the cells.
        centres: Of the cells in the unit interval, shape `(cells,)`.
        edges: Inner edges between the cells in the unit interval, shape `(cells - 1,)`.
    """

    index: int
    name: str
    labels: tuple[str, ...]
    centres: Array
    edges: Array


@dataclass(frozen=True)
class Observed:
    """Mean loss in each cell, NaN where there is no trial.

    Attributes:
        mean: Shape `(y cells, x cells)`.
        count: Trials, same shape.
    """

    mean: Array
    count: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Predicted:
    """What a Gaussian process expects in each cell, averaged over architectures that were tried.

    Attributes:
        mean: Shape `(y cells, x cells)`.
        deviation: Standard deviation of the prediction for one such architecture, root mean square, same shape.
    """

    mean: Array
    deviation: Array


def surface_dimensions(designs: Designs) -> list[str]:
    """Return the parameters that a surface can have as an axis: those that are always active and that were varied."""
    switched = {condition.parameter for condition in designs.space.conditions}
    if not len(designs):
        return []
    varied = np.ptp(designs.units, axis=0) > 0
    names = designs.space.names
    return [name for index, name in enumerate(names) if name not in switched and varied[index]]


def axis(designs: Designs, name: str) -> Axis:
    """Cut a dimension into cells: one for each value where there are few, else equal parts of the unit interval."""
    index, parameter = designs.space.names.index(name), designs.space[name]
    count = parameter.cardinality
    if count is not None and (isinstance(parameter, Categorical) or count <= VALUES):
        values = list(parameter.values())
        centres = np.array([parameter.to_unit(value) for value in values])
        labels = [str(value) for value in values]
    else:
        centres = (np.arange(BINS) + 0.5) / BINS
        labels = [_span(parameter, cell / BINS, (cell + 1) / BINS) for cell in range(BINS)]
    return Axis(index, name, tuple(labels), centres, (centres[1:] + centres[:-1]) / 2)


def observed(designs: Designs, x: Axis, y: Axis) -> Observed:
    """Return the mean loss of the trials in each cell."""
    losses = designs.losses
    known = ~np.isnan(losses)
    shape = (len(y.centres), len(x.centres))
    total, count = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    cells = [np.searchsorted(one.edges, designs.units[known, one.index]) for one in (y, x)]
    np.add.at(total, tuple(cells), losses[known])
    np.add.at(count, tuple(cells), 1)
    return Observed(np.where(count > 0, total / np.maximum(count, 1), math.nan), count)


class LossModel:
    """A Gaussian process of the loss over a space, fitted to measured architectures; it takes seconds.

    Losses that all but diverged count as Tukey's outer fence, as they do in the search.

    Args:
        designs: The architectures; of many, the lowest losses and a random part of the others are used.
        rng: Source of that choice.

    Raises:
        UsageError: If fewer than five have a loss, or all losses are equal.
    """

    def __init__(self, designs: Designs, *, rng: np.random.Generator) -> None:
        losses = designs.losses
        known = np.flatnonzero(~np.isnan(losses))
        if len(known) < FEWEST or np.ptp(losses[known]) == 0:
            raise UsageError(f"a prediction needs {FEWEST} architectures with different losses: let more trials finish")
        if len(known) > FITTED:
            order = known[np.argsort(losses[known], kind="stable")]
            half = FITTED // 2
            known = np.concatenate([order[:half], rng.choice(order[half:], size=FITTED - half, replace=False)])
        self.fitted_to = len(known)
        self._surrogate = Surrogate(designs.space, designs.units[known], winsorised(losses[known]))
        self._background = designs.units[rng.permutation(known)[:BACKGROUND]]

    def predict(self, x: Axis, y: Axis) -> Predicted:
        """Return what the process expects where two dimensions have the values of a cell, and the others as tried."""
        cells = [(a, b) for b in y.centres for a in x.centres]
        units = np.tile(self._background, (len(cells), 1))
        units[:, x.index] = np.repeat([a for a, _ in cells], len(self._background))
        units[:, y.index] = np.repeat([b for _, b in cells], len(self._background))
        mean, deviation = self._surrogate.predict(units)
        shape = (len(y.centres), len(x.centres), len(self._background))
        return Predicted(mean.reshape(shape).mean(axis=2), np.sqrt((deviation.reshape(shape) ** 2).mean(axis=2)))


def observed_figure(found: Observed, x: Axis, y: Axis, unit: str, ends: tuple[float, float] | None = None) -> go.Figure:
    """Return the observed mean losses as a heatmap; cells without a trial are empty.

    Args:
        found: The losses.
        x: Horizontal axis.
        y: Vertical axis.
        unit: Unit of the loss.
        ends: Losses at the ends of the colour scale, to be shared with another heatmap.
    """
    text = [[f"{count} trial{'s' * (count != 1)}" for count in row] for row in found.count.tolist()]
    return _heatmap("Observed", "mean val loss of the trials in a cell", found.mean, text, x, y, unit, ends)


def predicted_figures(
    found: Predicted, x: Axis, y: Axis, unit: str, ends: tuple[float, float] | None = None
) -> tuple[go.Figure, go.Figure]:
    """Return what the process expects as a heatmap, and one of how uncertain it is; arguments as `observed_figure`."""
    text = [[f"± {value:.4f}" for value in row] for row in found.deviation.tolist()]
    mean = _heatmap("Predicted", "by the Gaussian process", found.mean, text, x, y, unit, ends)
    subtitle = "standard deviation of a prediction"
    blank = [["" for _ in row] for row in text]
    deviation = _heatmap("Uncertainty", subtitle, found.deviation, blank, x, y, unit, None, DEVIATION_SCALE)
    return mean, deviation


def shared_ends(*surfaces: Array) -> tuple[float, float]:
    """Return the least value of some surfaces and their 95 % quantile, as the ends of one colour scale."""
    values = np.concatenate([surface[~np.isnan(surface)] for surface in surfaces])
    if not len(values):
        return (0.0, 1.0)
    return float(values.min()), float(np.quantile(values, 0.95))


def _heatmap(
    title: str,
    subtitle: str,
    values: Array,
    text: Sequence[Sequence[str]],
    x: Axis,
    y: Axis,
    unit: str,
    ends: tuple[float, float] | None,
    scale: str = LOSS_SCALE,
) -> go.Figure:
    figure = blank_figure(title, x.name, y.name, subtitle)
    figure.add_heatmap(
        x=[escape(label) for label in x.labels],
        y=[escape(label) for label in y.labels],
        z=[[None if math.isnan(value) else value for value in row] for row in values.tolist()],
        text=text,
        hovertemplate=f"{escape(x.name)} %{{x}}<br>{escape(y.name)} %{{y}}<br>%{{z:.4f}} %{{text}}<extra></extra>",
        colorscale=scale,
        colorbar=colour_bar(unit),
        hoverongaps=False,
        xgap=1,
        ygap=1,
        **({"zmin": ends[0], "zmax": ends[1]} if ends and ends[0] < ends[1] else {}),
    )
    for one in (figure.layout.xaxis, figure.layout.yaxis):
        one.update(type="category", showgrid=False)
    return figure


def _span(parameter: Parameter, low: float, high: float) -> str:
    ends = [parameter.from_unit(end) for end in (low, high)]
    if isinstance(parameter, Integer):
        return f"{ends[0]}-{ends[1]}"
    return f"{ends[0]:.2g}-{ends[1]:.2g}"
