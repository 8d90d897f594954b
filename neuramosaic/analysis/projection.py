"""A flat picture of the space: the first two principal components of encoded architectures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """Points in the plane.

    Attributes:
        points: Shape `(n, 2)`, centred.
        explained: Share of the variance along each axis, shape `(2,)`, each in [0, 1].
    """

    points: np.ndarray
    explained: np.ndarray


def project(vectors: np.ndarray) -> Projection:
    """Project vectors onto their first two principal components.

    The sign of an axis is free; it is fixed so that its largest loading is positive, which makes the picture the same
    every time.

    Args:
        vectors: Encoded architectures, shape `(n, d)`; any n from 0 on, any d from 1 on.
    """
    data = np.asarray(vectors, dtype=float)
    points, explained = np.zeros((len(data), 2)), np.zeros(2)
    if len(data) < 2:
        return Projection(points, explained)
    centred = data - data.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    total = float((sizes**2).sum())
    # An axis without spread is noise of the arithmetic, not a direction.
    kept = [index for index in range(min(2, len(sizes))) if sizes[index] > 1e-9]
    for index in kept:
        axis = axes[index] * np.sign(axes[index][np.argmax(np.abs(axes[index]))])
        points[:, index] = centred @ axis
        explained[index] = sizes[index] ** 2 / total
    return Projection(points, explained)
