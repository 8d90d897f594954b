"""Bayesian optimisation: that it learns, spreads over pending points and stays away from failures."""

from __future__ import annotations

import numpy as np

from neuramosaic.search.bayes import BayesSampler
from neuramosaic.search.random_search import RandomSampler
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import Condition, ParameterSpace

SPACE = ParameterSpace(
    [Categorical("op", "abcd"), Integer("depth", 1, 8), Float("lr", 1e-5, 1e-1, log=True), Float("gate", 0, 1)],
    [Condition("gate", "op", ("c",))],
)


def loss(point):
    base = {"a": 1.0, "b": 0.5, "c": 0.4 * abs(point.get("gate", 0) - 0.8), "d": 2.0}[point["op"]]
    return base + 0.05 * abs(point["depth"] - 6) + 0.3 * abs(np.log10(point["lr"]) + 3)


def best(sampler, n, failing=lambda point: False):
    values, failures = [], 0
    for _ in range(n):
        (point,) = sampler.ask()
        failures += failing(point)
        sampler.tell(point, None if failing(point) else loss(point))
        values += [] if failing(point) else [loss(point)]
    return min(values), failures


def test_twenty_trials_do_more_than_sixty_random_ones():
    found = [best(BayesSampler(SPACE, seed=seed), 20)[0] for seed in range(2)]
    drawn = [best(RandomSampler(SPACE, seed=seed), 60)[0] for seed in range(30)]
    assert np.mean(found) < np.mean(drawn)


def test_pending_points_push_the_next_ones_away():
    sampler = BayesSampler(SPACE)
    best(sampler, 14)
    points = sampler.ask(4)
    distances = [SPACE.distance(a, b) for i, a in enumerate(points) for b in points[:i]]
    assert min(distances) > 1e-3


def test_it_learns_where_trials_fail():
    _, failures = best(BayesSampler(SPACE, seed=1), 25, failing=lambda point: point["op"] == "c")
    # A quarter of the Sobol points, and a few tries afterwards: not the attraction of the never-measured.
    assert failures <= 8


def test_two_objectives_spread_along_the_front():
    space = ParameterSpace([Float("x", 0, 1), Float("y", 0, 1)])
    sampler = BayesSampler(space, seed=0)
    points = []
    for _ in range(24):
        (point,) = sampler.ask()
        sampler.tell(point, [point["x"] ** 2 + point["y"] ** 2, (point["x"] - 1) ** 2 + point["y"] ** 2])
        points.append(point)
    # The front is y = 0: the later points lie near it, from one end to the other.
    later = points[10:]
    assert np.median([point["y"] for point in later]) < 0.1
    assert np.ptp([point["x"] for point in later if point["y"] < 0.1]) > 0.5


def test_a_wild_outlier_does_not_blind_it():
    sampler = BayesSampler(SPACE, seed=0)
    sampler.tell({"op": "d", "depth": 1, "lr": 0.1}, 1e6)
    assert best(sampler, 19)[0] < 0.25
