"""Samplers by name."""

from __future__ import annotations

import pytest

from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.search import registry
from neuramosaic.search.random_search import RandomSampler
from neuramosaic.search.registry import create_sampler, register_sampler, sampler_names
from neuramosaic.space.domains import Float
from neuramosaic.space.parameters import ParameterSpace

SPACE = ParameterSpace([Float("x", 0, 1)])


def test_the_built_in_ones_are_there():
    assert {"bayes", "evolution", "random", "sobol"} <= set(sampler_names())
    for name in sampler_names():
        sampler = create_sampler(name, SPACE, seed=1)
        assert sampler.name == name
        assert sampler.space is SPACE


def test_unknown_names_and_options_name_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'bayes'"):
        create_sampler("bayse", SPACE)
    with pytest.raises(UnknownOptionError, match=r"sampler 'evolution'.*did you mean 'population'"):
        create_sampler("evolution", SPACE, populaton=3)
    with pytest.raises(UnknownOptionError, match=r"known: $"):
        create_sampler("random", SPACE, initial=3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("evolution", {"population": 0}),
        ("evolution", {"population": 4, "tournament": 5}),
        ("evolution", {"crossover": 1.5}),
        ("bayes", {"initial": 1}),
    ],
)
def test_options_outside_their_domain_are_refused(name, options):
    with pytest.raises(InvalidValueError, match=list(options)[-1]):
        create_sampler(name, SPACE, **options)


def test_a_sampler_of_ones_own(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    class Own(RandomSampler):
        name = "own"

    register_sampler("own", Own)
    assert "own" in sampler_names()
    assert isinstance(create_sampler("own", SPACE), Own)
    for taken in ("own", "random"):
        with pytest.raises(UsageError, match="registered already"):
            register_sampler(taken, Own)
