"""From what was told to what a model is fitted to: several objectives as one, and outliers tamed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FENCE = 3.0  # Interquartile ranges above the upper quartile from which on a value is an outlier (Tukey's outer fence).
AUGMENTATION = 0.05  # Weight of the plain sum, which breaks the ties that the maximum leaves.


def scalarise(values: Sequence[Sequence[float]], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return one number per point, minimised.

    One objective is returned as it is. Several are scaled to [0, 1] over the given points and joined by the augmented
    Chebyshev function `max_i(w_i z_i) + 0.05 sum_i(w_i z_i)` with weights `w` drawn uniformly from the simplex (ParEGO:
    Knowles 2006, doi 10.1109/TEVC.2005.851274). Every draw looks for another part of the Pareto front.

    Args:
        values: Shape `(n, objectives)`, n >= 1, finite.
        rng: Source of the weights.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.shape[1] == 1:
        return table[:, 0]
    low, span = table.min(axis=0), np.ptp(table, axis=0)
    scaled = (table - low) / np.where(span > 0, span, 1.0)
    weighted = scaled * rng.dirichlet(np.ones(table.shape[1]))
    joined: npt.NDArray[np.float64] = weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1)
    return joined


def winsorised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the values with the wildly bad ones pulled in to Tukey's outer fence.

    A loss that all but diverged is bad, however bad it is: left as it is, one such value would take up the whole scale
    of a Gaussian process, to which all the others would look alike.

    Args:
        values: Minimised, shape `(n,)`, n >= 1.
    """
    lower, upper = np.quantile(values, (0.25, 0.75))
    fence = upper + FENCE * (upper - lower)
    return np.minimum(values, fence) if upper > lower else values
