from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuramosaic.analysis.designs import describe, measurement, sample
from neuramosaic.analysis.effect_plots import effects_figure, interactions_figure, parallel_figure
from neuramosaic.analysis.effects import LARGE_GROUP, component_effects, component_interactions
from neuramosaic.space.architecture_space import ArchitectureSpace

UNIT = "nats per byte"


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_effects_have_an_interval_and_a_kind(trials: Any) -> None:
    effects = component_effects(trials, rng=rng())
    figure = effects_figure(effects, UNIT)
    assert figure.layout.xaxis.title.text == "difference in val loss (nats per byte, negative is better)"
    drawn = {y: x for trace in figure.data for y, x in zip(trace.y, trace.x, strict=True)}
    assert drawn == {effect.component: effect.difference for effect in effects}
    assert list(figure.layout.yaxis.categoryarray) == [effect.component for effect in reversed(effects)]
    for trace in figure.data:
        for x, low, high in zip(trace.x, trace.error_x.arrayminus, trace.error_x.array, strict=True):
            holds = x - low <= 0 <= x + high
            assert holds == (trace.name == "interval holds zero")


def crossed(trials: Any, n: int, joint: float) -> list[Any]:
    """Trials with and without two components, which give `joint` together and nothing alone."""
    noise, made = rng(), []
    for number in range(n):
        parts = tuple(name for bit, name in enumerate(("mixer:a", "norm:b")) if number >> bit & 1)
        loss = 2.0 + (joint if len(parts) == 2 else 0.0) + 0.01 * noise.standard_normal()
        trial = measurement(trials[0])
        made.append(replace(trial, id=f"s.{number}", number=number, components=(*parts, "rest:c"), val_loss=loss))
    return made


def test_an_interaction_is_what_the_two_do_not_explain(trials: Any) -> None:
    (pair,) = component_interactions(crossed(trials, 60, -0.5))
    assert (pair.first, pair.second, pair.n_both) == ("mixer:a", "norm:b", 15)
    assert pair.difference == pytest.approx(-0.5, abs=0.05)
    assert pair.low < pair.difference < pair.high < 0
    (none,) = component_interactions(crossed(trials, 60, 0.0))
    assert none.low < 0.01
    assert none.high > -0.01
    assert component_interactions(crossed(trials, 8, -0.5)) == []
    figure = interactions_figure([pair], UNIT)
    assert list(figure.data[0].y) == ["mixer:a and norm:b"]


def test_many_trials_give_the_interval_of_the_resamples(trials: Any) -> None:
    many = crossed(trials, 4 * LARGE_GROUP, -0.5)
    few = crossed(trials, LARGE_GROUP, -0.5)
    large = {e.component: e for e in component_effects(many, rng=rng())}["mixer:a"]
    small = {e.component: e for e in component_effects(few, rng=rng())}["mixer:a"]
    assert large.difference == pytest.approx(small.difference, abs=0.05)
    assert (large.high - large.low) == pytest.approx((small.high - small.low) / 2, rel=0.2)


def test_parallel_coordinates_have_the_numbers_that_every_architecture_has(trials: Any, space: Any) -> None:
    chosen = sample([measurement(trial) for trial in trials], rng=rng())
    designs = describe(chosen, {t.architecture_id: t.architecture for t in trials}, space.parameters)
    (lines,) = parallel_figure(designs, UNIT).data
    named = {dimension.label: dimension for dimension in lines.dimensions}
    expected = {"depth", "pattern", "learning rate (log)", "weight decay", "warmup fraction (log)", "val loss"}
    assert expected <= set(named)
    finished = [trial for trial in chosen if trial.val_loss is not None]
    assert list(named["val loss"]["values"]) == [trial.val_loss for trial in finished]
    ticks = dict(zip(named["learning rate (log)"].ticktext, named["learning rate (log)"].tickvals, strict=True))
    assert ticks["0.001"] == pytest.approx(-3)


def test_without_a_loss_there_are_no_lines(space: ArchitectureSpace) -> None:
    assert not parallel_figure(describe([], {}, space.parameters), UNIT).data
    assert not effects_figure([], UNIT).data
