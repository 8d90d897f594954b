"""The kernel of the Gaussian process: numeric and categorical parameters in one distance."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neuramosaic.space.domains import Categorical
from neuramosaic.space.parameters import ParameterSpace

with warnings.catch_warnings():
    # linear_operator still decorates with torch.jit.script, of which torch warns.
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import Kernel
    from gpytorch.priors import LogNormalPrior


class FeatureMap:
    """Turns points of the unit cube into features whose Euclidean distance makes sense.

    A numeric parameter stays one column. A categorical one becomes a column per choice, 1/sqrt(2) in that of its value
    and 0 in the others, so that any two choices are at distance 1.

    Args:
        space: The space of the points.

    Attributes:
        parameters: Index of the parameter that each column belongs to, shape `(columns,)`.
    """

    def __init__(self, space: ParameterSpace) -> None:
        columns: list[tuple[int, int, int]] = []
        for index, parameter in enumerate(space.parameters):
            count = len(parameter.choices) if isinstance(parameter, Categorical) else 0
            columns += [(index, choice, count) for choice in range(max(count, 1))]
        self.parameters, self._choices, self._counts = np.array(columns).T

    def __call__(self, units: npt.NDArray[np.float64]) -> Tensor:
        """Return features, shape `(n, columns)`, of units, shape `(n, dimension)`."""
        units = units[:, self.parameters]
        bins = np.minimum(np.floor(units * self._counts), self._counts - 1)
        one_hot = (bins == self._choices) / math.sqrt(2)
        return torch.from_numpy(np.where(self._counts > 0, one_hot, units))


class GroupedMatern(Kernel):  # type: ignore[misc]
    """Matern-5/2 kernel over features, with one lengthscale per parameter that all its columns share.

    The lengthscales' prior grows with the square root of the dimension (Hvarfner et al. 2024, arXiv 2402.02229);
    without that, a process of a hundred dimensions believes that no two points have anything in common.

    Args:
        features: Tells which parameter each column belongs to.
        dimension: How many parameters there are.
    """

    has_lengthscale = True

    def __init__(self, features: FeatureMap, dimension: int) -> None:
        prior = LogNormalPrior(loc=math.sqrt(2) + math.log(dimension) / 2, scale=math.sqrt(3))
        super().__init__(
            ard_num_dims=dimension,
            lengthscale_prior=prior,
            lengthscale_constraint=GreaterThan(0.025, transform=None, initial_value=prior.mode),
        )
        # GPyTorch would compare it with the columns of the input, of which there are more than lengthscales.
        self.ard_num_dims = None
        self._owners = torch.from_numpy(features.parameters)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Return the covariance of features `(..., n, columns)` and `(..., m, columns)`, shape `(..., n, m)`."""
        lengthscales: Tensor = self.lengthscale[..., self._owners]
        distance: Tensor = self.covar_dist(x1 / lengthscales, x2 / lengthscales, diag=diag, **params)
        root = math.sqrt(5) * distance
        return (1 + root + root.square() / 3) * torch.exp(-root)
