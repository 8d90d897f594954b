"""The Pareto front of loss and cost: what no other trial beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuramosaic.analysis.designs import Measurement


@dataclass(frozen=True)
class Cost:
    """A cost that a loss can be set against.

    Attributes:
        name: Attribute of `Measurement`.
        title: With its unit.
        scale: What a value is divided by for people.
    """

    name: str
    title: str
    scale: float = 1.0

    def of(self, trial: Measurement) -> float | None:
        """Return a trial's cost in the unit of the title, or None if it is not known."""
        value = getattr(trial, self.name)
        return None if value is None else float(value) / self.scale


#: The costs by the name that a person chooses.
COSTS = {
    "parameters": Cost("params", "parameters"),
    "training FLOPs": Cost("cost_flops", "floating-point operations of the training"),
    "seconds": Cost("seconds", "wall time of the trial (seconds)"),
    "memory": Cost("peak_memory_bytes", "peak memory (MiB)", 2.0**20),
}


def pareto_front(trials: Sequence[Measurement], cost: Cost) -> list[Measurement]:
    """Return the trials that no other one beats in loss and in cost, the cheapest first.

    Args:
        trials: Trials whose losses can be compared, in any order; those without loss or cost are left out.
        cost: What is minimised beside the loss.
    """
    priced = [(cost.of(trial), trial.val_loss, trial) for trial in trials]
    known = [(price, loss, trial) for price, loss, trial in priced if price is not None and loss is not None]
    front, lowest = [], np.inf
    for _, loss, trial in sorted(known, key=lambda item: (item[0], item[1], item[2].number)):
        if loss < lowest:
            front.append(trial)
            lowest = loss
    return front
