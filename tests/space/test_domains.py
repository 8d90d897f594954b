"""The parameter kinds: their bins, their rounding, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuramosaic.errors import InvalidValueError, UsageError
from neuramosaic.space.domains import LARGEST_INTEGER, Categorical, Float, Integer


@given(st.integers(1, LARGEST_INTEGER), st.integers(0, LARGEST_INTEGER), st.booleans(), st.data())
def test_every_integer_owns_a_bin(low, width, log, data):
    high = min(low + width, LARGEST_INTEGER)
    parameter = Integer("n", low, high, log=log)
    value = data.draw(st.integers(low, high))
    assert parameter.from_unit(parameter.to_unit(value)) == value
    assert (parameter.from_unit(0.0), parameter.from_unit(1.0)) == (low, high)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e6), st.booleans(), st.floats(0, 1))
def test_floats_made_from_a_unit_survive_the_round_trip(low, width, log, unit):
    low = abs(low) + 1e-6 if log else low
    parameter = Float("x", low, low + width, log=log)
    value = parameter.from_unit(unit)
    assert parameter.from_unit(parameter.to_unit(value)) == value
    span = math.log(parameter.high / low) if log else width
    error = abs(math.log(value / low) if log else value - low)
    assert abs(error / span - unit) < 2e-6


@pytest.mark.parametrize("value", [3e-4, 0.001, 0.00123456789, 1e-4, 1e-2])
def test_short_floats_from_outside_survive_too(value):
    for log in (False, True):
        parameter = Float("lr", 1e-4, 1e-2, log=log)
        assert parameter.from_unit(parameter.to_unit(value)) == value


def test_made_floats_are_short():
    rng = np.random.default_rng(0)
    for parameter in (Float("lr", 1e-5, 1e-1, log=True), Float("dropout", 0, 0.5)):
        for _ in range(100):
            assert len(f"{parameter.sample(rng):.15g}".lstrip("0.").split("e")[0].replace(".", "")) <= 7


def test_a_logarithmic_scale_draws_each_decade_alike():
    rng = np.random.default_rng(0)
    draws = np.array([Float("lr", 1e-4, 1, log=True).sample(rng) for _ in range(2000)])
    assert np.histogram(np.log10(draws), bins=4, range=(-4, 0))[0].min() > 400
    counts = np.bincount([Integer("n", 1, 1000, log=True).sample(rng) for _ in range(2000)], minlength=1001)
    assert counts[1] > counts[500:].sum() / 4


def test_units_outside_the_cube_are_clipped():
    for parameter in (Categorical("c", "abc"), Integer("n", 2, 5), Float("x", 2, 5), Float("y", 2, 5, log=True)):
        assert parameter.from_unit(-math.inf) == parameter.from_unit(0.0)
        assert parameter.from_unit(7.0) == parameter.from_unit(1.0)
        assert parameter.from_unit(math.nan) == parameter.from_unit(0.5)


def test_mutation_moves_both_ways_from_the_bounds_and_the_middle():
    rng = np.random.default_rng(0)
    for parameter in (Integer("n", 0, 4), Float("x", 0, 4)):
        for value in (0, 2, 4):
            moved = [parameter.mutate(value, rng) for _ in range(50)]
            assert value not in moved
            assert min(moved) < max(moved)
            for other in moved:
                parameter.check(other)
    assert {Categorical("c", "abc").mutate("b", rng) for _ in range(50)} == {"a", "c"}
    assert Integer("n", 1, 2).mutate(2, rng) == 1


def test_defaults():
    assert Categorical("c", ("x", None)).default == "x"
    assert Categorical("c", ("x", None), default=None).default is None
    assert Integer("n", 1, 9).default == 5
    assert Float("x", 0, 1).default == 0.5
    assert Float("lr", 1e-4, 1e-2, log=True).default == 1e-3


@pytest.mark.parametrize(
    "make",
    [
        lambda: Categorical("p", ()),
        lambda: Categorical("p", ("a", "a")),
        lambda: Categorical("p", (1, True)),
        lambda: Categorical("p", (["a"],)),
        lambda: Categorical("p", (math.nan,)),
        lambda: Categorical("p", ("a",), default="b"),
        lambda: Integer("p", 3, 2),
        lambda: Integer("p", 0, 2, log=True),
        lambda: Integer("p", 0.5, 2),
        lambda: Integer("p", 0, 2**50),
        lambda: Integer("p", 0, 2, default=3),
        lambda: Float("p", 1, 1),
        lambda: Float("p", 0, 1, log=True),
        lambda: Float("p", 0, math.inf),
        lambda: Float("p", 0, 1, default=2.0),
    ],
)
def test_impossible_definitions_are_refused_by_name(make):
    with pytest.raises(UsageError, match=r"'p'|p: "):
        make()


@pytest.mark.parametrize("value", ["d", 1, None, True])
def test_values_that_are_no_choice_are_refused(value):
    with pytest.raises(InvalidValueError, match="one of"):
        Categorical("c", ("a", "b", "1", 0)).check(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 3.1, "1", None, True])
def test_values_outside_the_range_are_refused(value):
    with pytest.raises(InvalidValueError, match="a number from 0 to 3"):
        Float("x", 0, 3).check(value)
    with pytest.raises(InvalidValueError, match="a whole number from 0 to 3"):
        Integer("n", 0, 3).check(value)
