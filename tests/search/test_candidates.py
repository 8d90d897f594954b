"""The maximisation of the acquisition function: exact where it can be, climbing elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from neuramosaic.search.candidates import LISTABLE, CandidateSearch
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import Condition, ParameterSpace


def test_a_small_space_is_searched_whole():
    space = ParameterSpace([Categorical(f"c{i}", "abc") for i in range(5)])
    secret = np.random.default_rng(3).random(space.size)
    table = {space.encode(point).tobytes(): value for point, value in zip(space.points(), secret, strict=True)}

    def acquisition(units):
        return np.array([table[row.tobytes()] for row in units])

    points = list(space.points())
    ranked = [points[index] for index in np.argsort(-secret)]
    search = CandidateSearch(space)
    rng = np.random.default_rng(0)
    assert search.best(acquisition, [], set(), rng) == ranked[0]
    taken = {space.key(point) for point in ranked[:3]}
    assert search.best(acquisition, ranked[:1], taken, rng) == ranked[3]
    assert search.best(acquisition, [], {space.key(point) for point in points}, rng) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_large_space_is_climbed_to_the_top(seed):
    rng = np.random.default_rng(seed)
    space = ParameterSpace([Categorical(f"c{i}", "abcd") for i in range(30)])
    assert space.size > LISTABLE
    top = space.encode(space.sample(rng))
    # Ten to twelve changes from the start: more than random points would ever find.
    start = space.mutate(space.decode(top), rng, n=7)
    found = CandidateSearch(space).best(lambda units: -(units != top).sum(axis=1).astype(float), [start], set(), rng)
    assert found == space.decode(top)


def test_a_continuum_is_climbed_to_within_a_hundredth():
    space = ParameterSpace(
        [Categorical("op", "abc"), Float("x", 0, 1), Float("y", 0, 1), Integer("n", 1, 500, log=True)],
        [Condition("y", "op", ("b",))],
    )
    goal = space.encode({"op": "b", "x": 0.317, "y": 0.731, "n": 77})
    rng = np.random.default_rng(0)
    found = CandidateSearch(space).best(lambda u: -np.abs(u - goal).sum(axis=1), [space.default()], set(), rng)
    assert found["op"] == "b"
    assert np.abs(space.encode(found) - goal).sum() < 0.04


def test_what_is_taken_is_not_returned():
    space = ParameterSpace([Integer("n", 1, LISTABLE + 1)])
    taken = {space.key({"n": value}) for value in range(1, 6)}
    found = CandidateSearch(space).best(lambda u: -u[:, 0], [{"n": 1}], taken, np.random.default_rng(0))
    assert 6 <= found["n"] <= 60
