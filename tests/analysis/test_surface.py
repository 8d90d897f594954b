import numpy as np
import pytest

from neuramosaic.analysis.designs import Designs, Measurement
from neuramosaic.analysis.surface import (
    LossModel,
    axis,
    observed,
    observed_figure,
    predicted_figures,
    shared_ends,
    surface_dimensions,
)
from neuramosaic.errors import UsageError
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import Condition, ParameterSpace

SPACE = ParameterSpace(
    [
        Categorical("op", ("good", "bad")),
        Float("rate", 0.001, 1.0, log=True),
        Integer("depth", 2, 4),
        Integer("op.heads", 1, 4),
        Integer("fixed", 3, 9),
    ],
    [Condition("op.heads", "op", ("good",))],
)


def measured(n: int) -> Designs:
    rng = np.random.default_rng(0)
    points = [{**SPACE.sample(rng), "fixed": 5} for _ in range(n)]
    losses = [2.0 + (point["op"] == "bad") + 0.1 * np.log10(point["rate"]) for point in points]
    trials = tuple(
        Measurement(f"s.{i}", i, "COMPLETE", "random", "x", (), f"a{i}", 9, 0, 0, 64, loss)
        for i, loss in enumerate(losses)
    )
    return Designs(SPACE, trials, tuple(points), np.array([SPACE.encode(point) for point in points]))


def test_an_axis_is_always_active_and_was_varied() -> None:
    assert surface_dimensions(measured(30)) == ["op", "rate", "depth"]


def test_an_axis_has_a_cell_for_each_value_or_spans() -> None:
    designs = measured(30)
    assert axis(designs, "op").labels == ("good", "bad")
    assert axis(designs, "depth").labels == ("2", "3", "4")
    rate = axis(designs, "rate")
    assert (len(rate.labels), rate.labels[0], rate.labels[-1]) == (8, "0.001-0.0024", "0.42-1")


def test_observed_means_are_of_the_trials_in_the_cell() -> None:
    designs = measured(40)
    x, y = axis(designs, "op"), axis(designs, "depth")
    found = observed(designs, x, y)
    assert found.count.sum() == 40
    for column, op in enumerate(("good", "bad")):
        for row, depth in enumerate((2, 3, 4)):
            inside = [p["op"] == op and p["depth"] == depth for p in designs.points]
            assert found.count[row, column] == sum(inside)
            assert found.mean[row, column] == pytest.approx(designs.losses[inside].mean())


def test_an_empty_cell_is_empty_in_the_figure() -> None:
    designs = measured(3)
    x, y = axis(designs, "op"), axis(designs, "rate")
    found = observed(designs, x, y)
    figure = observed_figure(found, x, y, "nats")
    values = [value for row in figure.data[0].z for value in row]
    assert sum(value is not None for value in values) == (found.count > 0).sum() <= 3
    assert shared_ends(found.mean)[0] == pytest.approx(designs.losses.min())


def test_the_process_finds_the_bad_choice_and_is_surer_where_it_was_looked() -> None:
    designs = measured(40)
    model = LossModel(designs, rng=np.random.default_rng(1))
    x, y = axis(designs, "op"), axis(designs, "rate")
    found = model.predict(x, y)
    assert found.mean.shape == found.deviation.shape == (8, 2)
    assert (found.mean[:, 1] - found.mean[:, 0]).min() > 0.5
    assert (found.deviation > 0).all()
    mean, deviation = predicted_figures(found, x, y, "nats")
    assert mean.data[0].colorscale != deviation.data[0].colorscale
    assert "±" in mean.data[0].text[0][0]


def test_too_few_losses_are_refused() -> None:
    with pytest.raises(UsageError, match="let more trials finish"):
        LossModel(measured(4), rng=np.random.default_rng(0))
