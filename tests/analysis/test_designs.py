from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuramosaic.analysis.designs import Designs, describe, measurement, point_of, sample
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def designs(trials: Any, space: ArchitectureSpace) -> Designs:
    chosen = sample([measurement(trial) for trial in trials], rng=rng())
    return describe(chosen, {trial.architecture_id: trial.architecture for trial in trials}, space.parameters)


def test_a_point_is_what_the_space_says_it_is(architectures: list[Architecture], space: ArchitectureSpace) -> None:
    for architecture in architectures:
        assert point_of(architecture.to_json(), space.parameters) == space.to_point(architecture)


def test_the_vectors_are_those_of_the_space(designs: Designs, trials: Any, space: ArchitectureSpace) -> None:
    assert len(designs) == 18
    for trial, unit in zip(trials, designs.units, strict=False):
        assert unit == pytest.approx(space.encode(Architecture.from_json(trial.architecture)))


def test_any_two_choices_are_equally_far_apart(designs: Designs, space: ArchitectureSpace) -> None:
    mixers = [str(point["block0.mixer"]) for point in designs.points]
    columns = sum(len(getattr(p, "choices", (None,))) for p in space.parameters.parameters)
    assert designs.features.shape == (18, columns)
    widths = np.cumsum([0, *(len(getattr(p, "choices", (None,))) for p in space.parameters.parameters)])
    at = space.parameters.names.index("block0.mixer")
    block = designs.features[:, widths[at] : widths[at + 1]]
    for a in range(len(mixers)):
        for b in range(a):
            assert np.linalg.norm(block[a] - block[b]) == pytest.approx(float(mixers[a] != mixers[b]))


def test_an_architecture_that_the_space_lacks_is_left_out(trials: Any) -> None:
    narrow = ArchitectureSpace.default(params_budget=60_000, sequence_length=64, mixers=["attention"])
    chosen = [measurement(trial) for trial in trials]
    described = describe(chosen, {t.architecture_id: t.architecture for t in trials}, narrow.parameters)
    assert 0 < len(described) < 18
    assert {point["block0.channel"] for point in described.points}
    other = next(t for t in trials if "mixer:attention" not in t.components)
    with pytest.raises(NeuraMosaicError):
        point_of(other.architecture, narrow.parameters)


def test_a_sample_has_one_fidelity_and_each_architecture_once(trials: Any) -> None:
    repeated = replace(trials[3], number=40, id="python-code-1.40", seed=1)
    chosen = sample([measurement(trial) for trial in [*trials, repeated]], rng=rng())
    assert [trial.number for trial in chosen] == list(range(18))


def test_a_small_sample_keeps_the_baseline_and_the_best(trials: Any) -> None:
    everything = [measurement(trial) for trial in trials]
    best = min((t for t in everything if t.rung == 0 and t.val_loss), key=lambda t: t.val_loss or 0)
    for seed in range(5):
        chosen = sample(everything, 10, rng=np.random.default_rng(seed))
        assert len(chosen) == 10
        assert everything[0] in chosen
    assert best in sample(everything, 17, rng=rng()) or best.source == "baseline"


def test_nothing_gives_nothing(space: ArchitectureSpace) -> None:
    empty = describe(sample([], rng=rng()), {}, space.parameters)
    assert (len(empty), empty.units.shape, empty.features.shape[0]) == (0, (0, space.parameters.dimension), 0)
