"""Groups of similar architectures, and what sets each apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuramosaic.analysis.designs import Designs
from neuramosaic.analysis.projection import principal

#: Fewest architectures that are worth grouping, and the greatest number of groups.
FEWEST, MOST_CLUSTERS = 12, 8
#: Principal components that the grouping looks at, and the vectors that the number of groups is judged by.
COMPONENTS, JUDGED = 10, 500
#: What is told of a group: traits whose share, or whose mean in standard deviations, differs by so much from the rest.
SHARE_APART, MEAN_APART = 0.25, 0.6
TRAITS = 5


@dataclass(frozen=True)
class Cluster:
    """A group of similar architectures.

    Attributes:
        number: From 1, the lowest mean loss first.
        size: Architectures in it.
        mean: Mean validation loss of those that have one, or NaN.
        best: The lowest, or NaN.
        best_trial: Id of the trial that has it, or None.
        traits: What sets it apart from the others, in words, the strongest first.
    """

    number: int
    size: int
    mean: float
    best: float
    best_trial: str | None
    traits: tuple[str, ...]


def cluster(designs: Designs, *, seed: int = 0) -> tuple[npt.NDArray[np.int64], list[Cluster]]:
    """Group architectures by k-means; the number of groups is the one with the best silhouette.

    Args:
        designs: The architectures.
        seed: Of what is random in it.

    Returns:
        The number of the cluster of each, shape `(n,)`, from 1, and the clusters in order; zeros and none if there are
        too few architectures to group.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    labels: npt.NDArray[np.int64] = np.zeros(len(designs), dtype=np.int64)
    if len(designs) < FEWEST:
        return labels, []
    vectors = principal(designs.features, COMPONENTS)
    distinct = len(np.unique(vectors.round(9), axis=0))
    best = -math.inf
    judged = np.random.default_rng(seed).permutation(len(vectors))[:JUDGED]
    for count in range(2, min(MOST_CLUSTERS, distinct - 1, len(vectors) // 4) + 1):
        with threadpool_limits(1):  # it is small: on a busy machine its threads would wait for each other
            found = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors)
        if len(set(found[judged])) < 2 or len(set(found[judged])) == len(judged):
            continue
        quality = float(silhouette_score(vectors[judged], found[judged]))
        if quality > best:
            best, labels = quality, found.astype(np.int64) + 1
    clusters = sorted(
        (_describe(designs, labels == value, int(value)) for value in np.unique(labels) if value),
        key=lambda group: (math.isnan(group.mean), group.mean, group.number),
    )
    renumbered = np.zeros(len(designs), dtype=np.int64)
    for number, group in enumerate(clusters, start=1):
        renumbered[labels == group.number] = number
    return renumbered, [
        Cluster(number, group.size, group.mean, group.best, group.best_trial, group.traits)
        for number, group in enumerate(clusters, start=1)
    ]


def _describe(designs: Designs, inside: npt.NDArray[np.bool_], number: int) -> Cluster:
    losses = designs.losses
    held = np.flatnonzero(inside & ~np.isnan(losses))
    lowest = int(held[np.argmin(losses[held])]) if len(held) else None
    return Cluster(
        number=number,
        size=int(inside.sum()),
        mean=float(losses[held].mean()) if len(held) else math.nan,
        best=math.nan if lowest is None else float(losses[lowest]),
        best_trial=None if lowest is None else designs.trials[lowest].id,
        traits=tuple(text for _, text in sorted(_traits(designs, inside), key=lambda trait: -trait[0])[:TRAITS]),
    )


def _traits(designs: Designs, inside: npt.NDArray[np.bool_]) -> list[tuple[float, str]]:
    """Return what differs between a group and the rest, each with how strongly."""
    found = []
    sets = [set(trial.components) for trial in designs.trials]
    for name in sorted(set().union(*sets)):
        has = np.array([name in one for one in sets])
        share, other = has[inside].mean(), has[~inside].mean()
        if share - other >= SHARE_APART:
            found.append((float(share - other), f"{name} in {share:.0%} (others {other:.0%})"))
    for name in designs.space.names:
        values = np.array([_number(point.get(name)) for point in designs.points])
        if np.isnan(values).any() or values.std() == 0:
            continue
        mean, other = values[inside].mean(), values[~inside].mean()
        apart = float(abs(mean - other) / values.std())
        if apart >= MEAN_APART:
            found.append((apart / 2, f"{name} {mean:.3g} (others {other:.3g})"))
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
