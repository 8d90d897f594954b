"""What every sampler promises, on every kind of space."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from neuramosaic.errors import InvalidValueError, UnknownOptionError
from neuramosaic.search.registry import create_sampler, sampler_names
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import Condition, ParameterSpace

# Small, so that the model-based parts are reached within a few points.
OPTIONS = {"bayes": {"initial": 4}, "evolution": {"population": 4, "tournament": 2, "crossover": 0.5}}

SPACES = {
    "categorical": ParameterSpace([Categorical(f"layer{i}", ("none", "conv", "attention")) for i in range(4)]),
    "mixed": ParameterSpace(
        [Categorical("op", "abc"), Integer("depth", 2, 8), Integer("width", 16, 1024, log=True),
         Float("lr", 1e-5, 1e-1, log=True), Float("dropout", 0.0, 0.5)]
    ),
    "conditional": ParameterSpace(
        [Integer("blocks", 1, 3), *(Categorical(f"b{i}", ("attention", "conv")) for i in range(3)),
         *(Integer(f"b{i}.heads", 1, 8) for i in range(3)), *(Float(f"b{i}.decay", 0.0, 1.0) for i in range(3))],
        [*(Condition(f"b{i}", "blocks", tuple(range(i + 1, 4))) for i in range(3)),
         *(Condition(f"b{i}.heads", f"b{i}", ("attention",)) for i in range(3)),
         *(Condition(f"b{i}.decay", f"b{i}", ("conv",)) for i in range(3))],
    ),
    "one point": ParameterSpace([Categorical("only", ("this",)), Integer("one", 1, 1)]),
}  # fmt: skip


def make(name, space, seed=0):
    return create_sampler(name, space, seed=seed, **OPTIONS.get(name, {}))


def measure(space, point):
    """A value with structure; every fifth point fails."""
    digest = hashlib.sha256(json.dumps(point, sort_keys=True).encode()).digest()
    return None if digest[0] % 5 == 0 else float(np.sum((space.encode(point) - 0.3) ** 2))


def drive(sampler, n, at_once=1):
    """Ask for and tell `n` points; return them."""
    points = []
    while len(points) < n:
        for point in sampler.ask(min(at_once, n - len(points))):
            sampler.tell(point, measure(sampler.space, point))
            points.append(point)
    return points


def sequences():
    """Return what every sampler proposes on every space, as JSON."""
    return {
        f"{name} on {label}": drive(make(name, space, 3), 7)
        for name in sampler_names()
        for label, space in SPACES.items()
    }


@pytest.fixture(params=sampler_names())
def name(request):
    return request.param


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


def test_other_processes_propose_the_same():
    code = f"import runpy, json; print(json.dumps(runpy.run_path({__file__!r})['sequences']()))"
    # Another hash seed and thread count: neither may matter.
    environment = {**os.environ, "PYTHONHASHSEED": "123", "OMP_NUM_THREADS": "2"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == sequences()


def test_points_are_valid_and_never_repeat(name, space):
    points = drive(make(name, space), 9, at_once=3)
    for point in points:
        space.validate(point)
    assert len({space.key(point) for point in points}) == min(9, space.size or 9)


def test_the_seed_matters(name):
    space = SPACES["mixed"]
    assert drive(make(name, space, seed=0), 3) != drive(make(name, space, seed=1), 3)


def test_restored_goes_on_like_uninterrupted(name, space):
    whole = make(name, space)
    before = drive(whole, 6)
    restored = make(name, space)
    restored.restore(6, [(point, measure(space, point)) for point in before])
    pending = whole.ask(2)
    assert restored.ask(2) == pending
    for sampler in (whole, restored):
        sampler.tell(pending[1], 0.25)
    assert restored.ask(1, pending=pending[:1]) == whole.ask(1, pending=pending[:1])


def test_several_at_once_are_one_by_one_with_the_first_pending(name, space):
    together, apart = make(name, space), make(name, space)
    drive(together, 6)
    drive(apart, 6)
    pair = together.ask(2)
    first = apart.ask(1)
    assert [*first, *apart.ask(1, pending=first)] == pair


def test_pending_points_are_left_alone(name):
    space = ParameterSpace([Integer("a", 1, 12)])
    sampler = make(name, space)
    pending = [{"a": value} for value in range(1, 7)]
    points = sampler.ask(2, pending)
    for point in points:
        sampler.tell(point, float(point["a"]))
    points += sampler.ask(4, pending)
    assert sorted(point["a"] for point in points) == [7, 8, 9, 10, 11, 12]


def test_an_exhausted_space_repeats_its_points(name):
    space = ParameterSpace([Categorical("a", "xy"), Categorical("b", "xyz")])
    points = drive(make(name, space), 11)
    assert len({space.key(point) for point in points[:6]}) == 6
    for point in points:
        space.validate(point)


def test_all_failed(name, space):
    sampler = make(name, space)
    for _ in range(6):
        (point,) = sampler.ask()
        sampler.tell(point, None)
    space.validate(sampler.ask()[0])


def test_all_equal(name, space):
    sampler = make(name, space)
    for _ in range(6):
        (point,) = sampler.ask()
        sampler.tell(point, 1.5)
    space.validate(sampler.ask()[0])


def test_several_objectives(name, space):
    sampler = make(name, space)
    for index in range(6):
        (point,) = sampler.ask()
        sampler.tell(point, [float(np.sum(space.encode(point))), -float(index)])
    space.validate(sampler.ask()[0])
    with pytest.raises(InvalidValueError, match="2 objective"):
        sampler.tell(point, 1.0)


def test_points_from_elsewhere_are_learned(name):
    space = SPACES["conditional"]
    sampler = make(name, space)
    rng = np.random.default_rng(0)
    for _ in range(6):
        point = space.sample(rng)
        sampler.tell(point, measure(space, point))
    space.validate(sampler.ask()[0])


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), "0.5", True, [], [1.0, None], [float("nan")], {}, object()]
)
def test_bad_values_are_refused(name, value):
    sampler = make(name, SPACES["mixed"])
    (point,) = sampler.ask()
    with pytest.raises(InvalidValueError, match="value"):
        sampler.tell(point, value)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(3), [1.0], (1, 2.0), np.array([1.0, 2.0])])
def test_numbers_of_all_kinds_are_accepted(name, value):
    sampler = make(name, SPACES["mixed"])
    (point,) = sampler.ask()
    sampler.tell(point, value)


def test_bad_points_and_counts_are_refused(name):
    sampler = make(name, SPACES["categorical"])
    with pytest.raises(InvalidValueError, match="layer3"):
        sampler.tell({"layer0": "none", "layer1": "none", "layer2": "none"}, 1.0)
    with pytest.raises(UnknownOptionError, match="layer9"):
        sampler.tell({**SPACES["categorical"].default(), "layer9": "none"}, 1.0)
    with pytest.raises(InvalidValueError, match="layer0"):
        sampler.ask(1, pending=[{**SPACES["categorical"].default(), "layer0": "pool"}])
    for bad in (-1, 1.5, True):
        with pytest.raises(InvalidValueError, match="n: "):
            sampler.ask(bad)
    assert sampler.ask(0) == []


def test_proposals_are_the_callers_own(name, space):
    sampler, twin = make(name, space), make(name, space)
    drive(twin, 4)
    for _ in range(4):
        (point,) = sampler.ask()
        sampler.tell(point, measure(space, point))
        point.clear()
    assert sampler.ask(2) == twin.ask(2)
