"""The Gaussian process, against BoTorch's own predictions and by what it must learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuramosaic.search.kernel import FeatureMap
from neuramosaic.search.surrogate import Feasibility, Surrogate, log_h
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import ParameterSpace

SPACE = ParameterSpace([Categorical("op", "abc"), Float("x", 0, 1), Integer("n", 1, 9), Float("idle", 0, 1)])


def truth(point):
    return (point["x"] - 0.4) ** 2 + {"a": 0.0, "b": 0.3, "c": 0.6}[point["op"]] + 0.02 * point["n"]


def units_of(points):
    return np.array([SPACE.encode(point) for point in points])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    points = [SPACE.sample(rng) for _ in range(60)]
    return units_of(points), np.array([truth(point) for point in points])


@pytest.fixture
def surrogate(data):
    return Surrogate(SPACE, data[0][:40], data[1][:40])


def test_it_predicts_points_that_it_has_not_seen(surrogate, data):
    error = np.abs(surrogate.mean(data[0][40:]) - data[1][40:])
    assert error.max() < 0.1 * np.ptp(data[1])


def test_features_put_any_two_choices_at_distance_one():
    space = ParameterSpace([Float("x", 0, 2), Categorical("op", "abc")])
    features = FeatureMap(space)(np.array([space.encode({"x": 1.0, "op": op}) for op in "abc"]))
    assert features[:, 0].tolist() == [0.5, 0.5, 0.5]
    torch.testing.assert_close(torch.cdist(features, features), 1 - torch.eye(3, dtype=torch.float64))


def test_improvement_is_least_where_it_has_measured(surrogate, data):
    at_known = surrogate.log_improvement(data[0][:40])
    elsewhere = surrogate.log_improvement(units_of([{"op": "a", "x": 0.4, "n": 1, "idle": 0.5}]))
    assert elsewhere > at_known.max()


def test_beliefs_lower_the_improvement_around_them_and_are_taken_back(surrogate):
    spot = units_of([{"op": "a", "x": 0.4, "n": 1, "idle": 0.5}])
    before, expected = surrogate.log_improvement(spot), surrogate.mean(spot)
    surrogate.believe(spot)
    assert surrogate.log_improvement(spot) < before
    np.testing.assert_allclose(surrogate.mean(spot), expected, rtol=1e-6)
    surrogate.believe(spot[:0])
    np.testing.assert_array_equal(surrogate.log_improvement(spot), before)


def test_log_h_is_botorchs():
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
        from botorch.acquisition.analytic import _log_ei_helper
    z = torch.cat([torch.linspace(-60, 8, 500), torch.tensor([-1e2, -999.0, -1001.0, -1e5, -1.0])]).double()
    torch.testing.assert_close(log_h(z), _log_ei_helper(z), rtol=1e-8, atol=1e-8)


def test_it_finds_out_which_choice_fails(data):
    units = data[0]
    finished = np.array([SPACE.decode(row)["op"] != "b" for row in units])
    probability = np.exp(
        Feasibility(SPACE, units, finished).log_probability(
            units_of([{"op": op, "x": 0.31, "n": 4, "idle": 0.77} for op in "abc"])
        )
    )
    assert probability[1] < 0.2
    assert probability[0] > 0.8
    assert probability[2] > 0.8


def test_the_same_data_give_the_same_process_whatever_the_caller_has_set(data, surrogate):
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    state = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        again = Surrogate(SPACE, data[0][:40], data[1][:40])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(again.log_improvement(data[0]), surrogate.log_improvement(data[0]))
