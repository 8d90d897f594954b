"""The samplers by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from neuramosaic.errors import UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.search.base import Sampler
from neuramosaic.space.parameters import ParameterSpace

# Where the built-in ones live: imported on first use, since BoTorch takes seconds to load.
_BUILT_IN = {
    "bayes": "neuramosaic.search.bayes:BayesSampler",
    "evolution": "neuramosaic.search.evolution:EvolutionSampler",
    "random": "neuramosaic.search.random_search:RandomSampler",
    "sobol": "neuramosaic.search.sobol:SobolSampler",
}
_registered: dict[str, Callable[..., Sampler]] = {}


def sampler_names() -> tuple[str, ...]:
    """Return the names of all samplers, sorted."""
    return tuple(sorted({*_BUILT_IN, *_registered}))


def register_sampler(name: str, factory: Callable[..., Sampler]) -> None:
    """Make a sampler known under a name of its own.

    Args:
        name: Its name.
        factory: Called as `factory(space, seed=seed, **options)`; its keyword arguments are the options.

    Raises:
        UsageError: If the name is taken.
    """
    if name in sampler_names():
        raise UsageError(f"sampler {name!r} is registered already")
    _registered[name] = factory


def create_sampler(name: str, space: ParameterSpace, *, seed: int = 0, **options: Any) -> Sampler:
    """Create a sampler.

    Args:
        name: One of `sampler_names()`.
        space: Where to search.
        seed: Seed of the study.
        **options: What the sampler has to set, such as `population` of `evolution`.

    Raises:
        UnknownNameError: If there is no such sampler.
        UnknownOptionError: If it has no such option.
        InvalidValueError: If an option is outside its domain.
    """
    factory = _factory(name)
    parameters = inspect.signature(factory).parameters.values()
    valid = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"]
    for option in options:
        if option not in valid:
            raise UnknownOptionError(f"sampler {name!r}", option, valid)
    return factory(space, seed=seed, **options)


def _factory(name: str) -> Callable[..., Sampler]:
    if name in _registered:
        return _registered[name]
    if name not in _BUILT_IN:
        raise UnknownNameError("sampler", name, sampler_names())
    module, _, attribute = _BUILT_IN[name].partition(":")
    factory: Callable[..., Sampler] = getattr(importlib.import_module(module), attribute)
    return factory
