"""Flat pictures of the space: the first two principal components of encoded architectures, and their neighbourhoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Neighbours that t-SNE keeps together, at most, and the principal components that it starts from.
PERPLEXITY, COMPONENTS = 30.0, 30


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


def neighbour_embedding(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Place vectors so that near ones stay near: t-SNE (van der Maaten and Hinton 2008) from a fixed start.

    Distances between groups, and the axes, mean nothing.

    Args:
        vectors: Encoded architectures, shape `(n, d)`; takes seconds for n = 1,000.
        seed: Of what is random in it.

    Returns:
        Shape `(n, 2)`; zeros for fewer than four vectors, which have no neighbourhoods, and for equal ones.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    data = np.asarray(vectors, dtype=float)
    if len(data) < 4 or np.ptp(data, axis=0).max() == 0:
        return np.zeros((len(data), 2))
    data = principal(data, COMPONENTS)
    start = data[:, :2] / data[:, 0].std() * 1e-4
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros((len(start), 1))])
    perplexity = min(PERPLEXITY, (len(data) - 1) / 3)
    with threadpool_limits(1):  # it is small: on a busy machine its threads would wait for each other
        placed: np.ndarray = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(data)
    return placed.astype(float)


def principal(vectors: np.ndarray, most: int) -> np.ndarray:
    """Return vectors in their first principal components, shape `(n, min(most, rank))`, at least one column."""
    centred = np.asarray(vectors, dtype=float) - np.mean(vectors, axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(most, int((sizes > 1e-9).sum())))
    scaled: np.ndarray = left[:, :kept] * sizes[:kept]
    return scaled
