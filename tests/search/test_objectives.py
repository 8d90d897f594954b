"""Scalarisation and the taming of outliers."""

from __future__ import annotations

import numpy as np

from neuramosaic.search.objectives import scalarise, winsorised


def test_one_objective_is_left_alone():
    np.testing.assert_array_equal(scalarise([(3.0,), (1.0,)], np.random.default_rng(0)), [3.0, 1.0])


def test_the_best_of_several_is_never_dominated():
    rng = np.random.default_rng(0)
    table = rng.random((30, 3)) * [1.0, 1e3, 1e-3]
    winners = {int(np.argmin(scalarise(table, rng))) for _ in range(100)}
    assert len(winners) > 2
    for winner in winners:
        assert not ((table <= table[winner]).all(axis=1) & (table < table[winner]).any(axis=1)).any()


def test_an_objective_without_spread_does_no_harm():
    values = scalarise([(1.0, 5.0), (2.0, 5.0)], np.random.default_rng(0))
    assert np.isfinite(values).all()
    assert values[0] < values[1]


def test_only_wildly_bad_values_are_pulled_in():
    values = np.array([-1e9, 1.0, 2.0, 3.0, 4.0, 5.0, 1e9])
    tamed = winsorised(values)
    np.testing.assert_array_equal(tamed[:-1], values[:-1])
    assert 5.0 < tamed[-1] < 20.0
    np.testing.assert_array_equal(winsorised(np.array([1.0, 1.0, 1.0, 1.0, 9.0])), [1.0, 1.0, 1.0, 1.0, 9.0])
