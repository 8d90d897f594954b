"""Sobol points: even coverage, whatever the dimension."""

from __future__ import annotations

import numpy as np
import pytest

from neuramosaic.errors import UsageError
from neuramosaic.search.sobol import SobolSampler
from neuramosaic.space.domains import Categorical, Float
from neuramosaic.space.parameters import ParameterSpace


def test_every_interval_gets_its_share():
    space = ParameterSpace([Float(f"x{i}", 0, 1) for i in range(150)])
    points = np.array([list(point.values()) for point in SobolSampler(space, seed=5).ask(16)])
    counts = np.array([np.histogram(column, bins=16, range=(0, 1))[0] for column in points.T])
    assert (counts == 1).all()


def test_known_points_are_skipped_within_the_sequence():
    space = ParameterSpace([Categorical("a", "abcd"), Categorical("b", "abcd")])
    points = [tuple(point.values()) for point in SobolSampler(space).ask(16)]
    assert len(set(points)) == 16


def test_too_many_dimensions_are_refused():
    space = ParameterSpace([Float(f"x{i}", 0, 1) for i in range(21202)])
    with pytest.raises(UsageError, match="21201 dimensions"):
        SobolSampler(space)
