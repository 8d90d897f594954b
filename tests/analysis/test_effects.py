from typing import Any

import numpy as np
import pytest

from neuramosaic.analysis.effects import component_effects
from neuramosaic.space.architecture import Architecture


def study(trial: Any, architecture: Architecture, losses: dict[str, list[float]], **changes: Any) -> list[Any]:
    return [
        trial(number, architecture, loss, components=(f"mixer:{name}",), **changes)
        for number, (name, loss) in enumerate((name, loss) for name, group in losses.items() for loss in group)
    ]


def test_a_real_difference_is_found_with_its_interval_and_counts(trial: Any, architectures: list[Architecture]) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 24)
    losses = {"good": (2.0 + noise[:12]).tolist(), "bad": (2.5 + noise[12:]).tolist()}
    trials = study(trial, architectures[0], losses)
    good, bad = component_effects(trials, rng=np.random.default_rng(1))
    assert (good.component, bad.component) == ("mixer:good", "mixer:bad")
    assert good.difference == pytest.approx(np.mean(losses["good"]) - np.mean(losses["bad"]))
    assert good.low < good.difference < good.high < 0 < bad.low
    assert (good.n_with, good.n_without) == (12, 12)


def test_intervals_cover_the_truth_about_as_often_as_they_say(trial: Any, architectures: list[Architecture]) -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        losses = {"a": rng.normal(2.0, 0.1, 12).tolist(), "b": rng.normal(2.0, 0.1, 12).tolist()}
        effect = component_effects(study(trial, architectures[0], losses), rng=rng, resamples=400)[0]
        covered += effect.low <= 0 <= effect.high
    # The percentile bootstrap of 12 against 12 is a little narrow; 82 is five standard errors below 95.
    assert covered >= 82


def test_small_groups_failures_and_other_fidelities_are_left_out(trial: Any, architectures: list[Architecture]) -> None:
    trials = study(trial, architectures[0], {"a": [2.0] * 3, "b": [2.1] * 2})
    assert component_effects(trials, rng=np.random.default_rng(0)) == []
    trials += [trial(9, architectures[0], None, components=("mixer:b",))]
    trials += [trial(10, architectures[0], 1.0, components=("mixer:b",), rung=1)]
    assert component_effects(trials, rng=np.random.default_rng(0)) == []
    trials += [trial(11, architectures[0], 2.1, components=("mixer:b",))]
    effects = component_effects(trials, rng=np.random.default_rng(0))
    assert [(e.component, round(e.difference, 9)) for e in effects] == [("mixer:a", -0.1), ("mixer:b", 0.1)]
    assert component_effects([], rng=np.random.default_rng(0)) == []
