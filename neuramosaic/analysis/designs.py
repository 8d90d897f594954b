"""Architectures that were measured, as points and as vectors: what the map, its clusters and the heatmaps are made of.

A study may have 20,000 trials: few of them are enough for a picture, so a sample is described and no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, Fidelity, fidelity
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.domains import Categorical
from neuramosaic.space.layout import BLOCK_SLOTS, NO_MODULATOR
from neuramosaic.space.parameters import ParameterSpace, Point
from neuramosaic.store.records import TrialRecord, TrialState

#: Architectures that a picture shows, at most.
MOST = 2000
#: Share of the sample that is kept for the lowest losses.
BEST_SHARE = 0.1


@dataclass(frozen=True)
class Measurement:
    """The few things of a trial that the figures need; made from a record, or straight from the store's columns.

    Attributes:
        id: Of the trial.
        number: Of the trial, from 0.
        state: Where it stands.
        source: Who proposed it.
        label: Short name for people.
        components: `slot:name` of each component.
        architecture_id: Content id of the architecture.
        params: Parameters.
        seed: Of data order and initialisation.
        rung: Index of the fidelity level.
        fidelity_tokens: Tokens of training.
        val_loss: Validation loss, minimised; None unless COMPLETE.
        seconds: Wall time, or None if not finished.
        cost_flops: Floating-point operations of its training, or None.
        peak_memory_bytes: Peak memory, or None.
    """

    id: str
    number: int
    state: str
    source: str
    label: str
    components: tuple[str, ...]
    architecture_id: str
    params: int
    seed: int
    rung: int
    fidelity_tokens: int
    val_loss: float | None
    seconds: float | None = None
    cost_flops: float | None = None
    peak_memory_bytes: float | None = None


def measurement(trial: TrialRecord) -> Measurement:
    """Return what the figures need of a trial."""
    outcome = trial.outcome
    return Measurement(
        id=trial.id,
        number=trial.number,
        state=str(trial.state),
        source=trial.source,
        label=trial.label,
        components=trial.components,
        architecture_id=trial.architecture_id,
        params=trial.params,
        seed=trial.seed,
        rung=trial.rung,
        fidelity_tokens=trial.fidelity_tokens,
        val_loss=trial.val_loss,
        seconds=outcome.seconds if outcome else None,
        cost_flops=outcome.cost_flops if outcome else None,
        peak_memory_bytes=outcome.peak_memory_bytes if outcome else None,
    )


def sample(trials: Sequence[Measurement], most: int = MOST, *, rng: np.random.Generator) -> list[Measurement]:
    """Return finished trials of the lowest fidelity, one per architecture, by number; so losses can be compared.

    Of more than `most`, the baseline and the lowest losses are kept, and of the others a random part.

    Args:
        trials: Trials of one study, in any order and state.
        most: Greatest number that is returned.
        rng: Source of the choice.
    """
    finished = [trial for trial in trials if TrialState(trial.state).finished]
    level = min((fidelity(trial) for trial in finished), default=Fidelity(0, 0))
    each: dict[str, Measurement] = {}
    for trial in sorted((t for t in finished if fidelity(t) == level), key=lambda t: (t.val_loss is None, t.number)):
        each.setdefault(trial.architecture_id, trial)
    found = list(each.values())
    if len(found) > most:
        order = sorted(found, key=_rank)
        kept = order[: max(1, int(most * BEST_SHARE))]
        others = order[len(kept) :]
        picks = rng.choice(len(others), size=most - len(kept), replace=False)
        found = kept + [others[index] for index in picks]
    return sorted(found, key=lambda trial: trial.number)


def _rank(trial: Measurement) -> tuple[bool, float, int]:
    loss = math.inf if trial.val_loss is None else trial.val_loss
    return (trial.source != BASELINE_SOURCE, loss, trial.number)


@dataclass(frozen=True)
class Designs:
    """Measured architectures in one space.

    Attributes:
        space: The space, as plain parameters.
        trials: The trials, n of them; all of one fidelity if they come from `sample`.
        points: The point of each: its active parameters by name.
        units: The same in the unit cube, shape `(n, space.dimension)`.
    """

    space: ParameterSpace
    trials: tuple[Measurement, ...]
    points: tuple[Point, ...]
    units: npt.NDArray[np.float64]

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Validation losses, NaN where there is none, shape `(n,)`."""
        return np.array([math.nan if trial.val_loss is None else trial.val_loss for trial in self.trials])

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The units with a column for each choice of a categorical parameter, so that any two are equally far apart."""
        columns = []
        for index, parameter in enumerate(self.space.parameters):
            unit = self.units[:, index]
            if not isinstance(parameter, Categorical):
                columns.append(unit)
                continue
            count = len(parameter.choices)
            held = np.minimum((unit * count).astype(int), count - 1)
            columns += [(held == choice) / math.sqrt(2) for choice in range(count)]
        return np.array(columns).T.reshape(len(self.trials), len(columns))

    @property
    def level(self) -> Fidelity:
        """The fidelity of the trials."""
        return fidelity(self.trials[0]) if self.trials else Fidelity(0, 0)

    def __len__(self) -> int:
        return len(self.trials)

    def part(self, picks: Sequence[int] | npt.NDArray[np.int64]) -> Designs:
        """Return those at some positions."""
        return Designs(
            self.space,
            tuple(self.trials[index] for index in picks),
            tuple(self.points[index] for index in picks),
            self.units[list(picks)],
        )


def describe(trials: Iterable[Measurement], architectures: Mapping[str, Any], space: ParameterSpace) -> Designs:
    """Describe measured architectures as points of a space; what the space does not contain is left out.

    The architectures are taken to be canonical, as the store's are, so that no width has to be solved for.

    Args:
        trials: The trials.
        architectures: Canonical JSON of the architecture by its id.
        space: The space, as plain parameters.
    """
    kept, points, units = [], [], []
    for trial in trials:
        try:
            point = point_of(architectures[trial.architecture_id], space)
            unit = space.encode(point)
        except (NeuraMosaicError, KeyError):
            continue
        kept.append(trial)
        points.append(point)
        units.append(unit)
    return Designs(space, tuple(kept), tuple(points), np.array(units).reshape(len(kept), space.dimension))


def point_of(architecture: Mapping[str, Any], space: ParameterSpace) -> Point:
    """Return the point of a canonical architecture's JSON.

    Raises:
        InvalidValueError: If it has a component or a value that the space lacks.
        KeyError: If a field is missing.
    """
    found: dict[str, Any] = {"width": architecture["width"], "depth": architecture["depth"]}
    found["pattern"] = len(architecture["blocks"])
    choices = {"position": architecture["position"], "residual": architecture["residual"]}
    for index, block in enumerate(architecture["blocks"]):
        for slot in BLOCK_SLOTS:
            choices[f"block{index}.{slot}"] = block[str(slot)] or {"name": NO_MODULATOR, "hyperparameters": {}}
    for path, choice in choices.items():
        found[path] = choice["name"]
        found |= {f"{path}.{choice['name']}.{name}": value for name, value in choice["hyperparameters"].items()}
    found |= {f"training.{name}": value for name, value in architecture["training"].items()}
    point = {name: found[name] for name in space.names if name in found}
    space.validate(point)
    return point
