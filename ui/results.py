"""What the views of results are made of, kept by the reader for each version of a study."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from graph.plan import recorded_space
from neuramosaic import seeds
from neuramosaic.analysis.clusters import Cluster, cluster
from neuramosaic.analysis.designs import Designs, Measurement, describe, measurement, sample
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, Fidelity
from neuramosaic.analysis.map_plots import MOST_NEIGHBOURS, NEIGHBOURS, place
from neuramosaic.analysis.surface import LossModel
from neuramosaic.space.architecture_space import ArchitectureSpace
from ui.reader import AT_ONCE, Reader

T = TypeVar("T")

#: Columns of the leaderboard, in order.
BOARD = (
    "number", "state", "loss", "difference", "source", "tokens", "seconds", "components", "params", "flops", "rung",
    "seed", "label", "reason", "id",
)  # fmt: skip
#: Architectures that a map shows at most: enough to see, and placed within a second.
MOST = 1000


Placed = tuple[npt.NDArray[np.float64], str, str]


@dataclass(frozen=True)
class Grouped:
    """Architectures and the groups that they form.

    Attributes:
        designs: The architectures, n of them.
        labels: The cluster of each, from 1, or 0 if there are too few for clusters, shape `(n,)`.
        clusters: The clusters in order.
    """

    designs: Designs
    labels: npt.NDArray[np.int64]
    clusters: list[Cluster]


def space_of(reader: Reader, study: str) -> ArchitectureSpace:
    """Return the space of a study."""
    return reader.derived(study, "space", lambda: recorded_space(reader.store, reader.study(study)))


def measurements(reader: Reader, study: str) -> list[Measurement]:
    """Return the trials of a study, the few things that figures need of each; peak memory is left out."""
    return reader.derived(study, "measurements", lambda: [measurement(trial) for trial in reader.outlines(study)])


def finished(reader: Reader, study: str) -> int:
    """Return how many trials of a study have finished: what is made of their losses is made anew when it rises."""
    (row,) = reader.store.rows("SELECT coalesce(max(finish_order), 0) AS last FROM trials WHERE study = ?", (study,))
    return int(row["last"])


def once(reader: Reader, study: str, name: str, make: Callable[[], T], *key: Any) -> T:
    """Return a value that is made once for each number of finished trials, and shared: do not change it."""
    return reader.derived(study, name, make, *key, stamp=finished(reader, study))


def memory(reader: Reader, study: str) -> dict[str, float]:
    """Return the peak memory of trials in bytes, by id, where it is known."""

    def read() -> dict[str, float]:
        rows = reader.store.rows(
            "SELECT id, json_extract(outcome, '$.peak_memory_bytes') AS peak FROM trials"
            " WHERE study = ? AND finish_order IS NOT NULL",
            (study,),
        )
        return {row["id"]: float(row["peak"]) for row in rows if row["peak"] is not None}

    return once(reader, study, "memory", read)


def designs(reader: Reader, study: str) -> Designs:
    """Return a sample of the architectures that were measured at the lowest fidelity, as points of the space."""

    def make() -> Designs:
        chosen = sample(measurements(reader, study), MOST, rng=seeds.stream(0, "app", "map"))
        numbers = [trial.number for trial in chosen]
        architectures: dict[str, Any] = {}
        for begin in range(0, len(numbers), AT_ONCE):
            part = numbers[begin : begin + AT_ONCE]
            marks = ", ".join("?" * len(part))
            rows = reader.store.rows(
                f"SELECT architecture_id, architecture FROM trials WHERE study = ? AND number IN ({marks})",
                (study, *part),
            )
            architectures |= {row["architecture_id"]: json.loads(row["architecture"]) for row in rows}
        return describe(chosen, architectures, space_of(reader, study).parameters)

    return once(reader, study, "designs", make)


def grouped(reader: Reader, study: str) -> Grouped:
    """Return the `designs` with their clusters."""

    def make() -> Grouped:
        shown = designs(reader, study)
        return Grouped(shown, *cluster(shown))

    return once(reader, study, "grouped", make)


def placed(reader: Reader, study: str, method: str) -> tuple[Grouped, Placed]:
    """Return the `designs` with their clusters, and where they lie in the plane, as `map_plots.place` says it.

    t-SNE places fewer, evenly spread over the study.
    """

    def make() -> tuple[Grouped, Placed]:
        found = grouped(reader, study)
        if method == NEIGHBOURS and len(found.designs) > MOST_NEIGHBOURS:
            picks = np.linspace(0, len(found.designs) - 1, MOST_NEIGHBOURS).round().astype(int)
            found = Grouped(found.designs.part(picks), found.labels[picks], found.clusters)
        return found, place(found.designs, method)

    return once(reader, study, "placed", make, method)


def loss_model(reader: Reader, study: str) -> LossModel:
    """Return the Gaussian process of a study's losses.

    Raises:
        UsageError: If too few architectures have a loss.
    """

    def fit() -> LossModel:
        return LossModel(designs(reader, study), rng=seeds.stream(0, "app", "surface"))

    return once(reader, study, "loss model", fit)


def board(reader: Reader, study: str) -> pd.DataFrame:
    """Return the trials as a leaderboard with the columns `BOARD`: the highest fidelity first, then the lowest loss.

    `difference` is the loss minus that of the baseline at the same fidelity with the same seed.
    """
    return reader.derived(study, "board", lambda: _board(reader.table(study)))


def _board(table: pd.DataFrame) -> pd.DataFrame:
    level = ["rung", "fidelity_tokens", "seed"]
    base = table[(table["source"] == BASELINE_SOURCE) & table["val_loss"].notna()]
    base = base.drop_duplicates(level)[[*level, "val_loss"]].rename(columns={"val_loss": "against"})
    frame = table.merge(base, on=level, how="left")
    names = {"val_loss": "loss", "fidelity_tokens": "tokens", "cost_flops": "flops"}
    frame = frame.assign(difference=frame["val_loss"] - frame["against"]).rename(columns=names)
    frame.loc[frame["source"] == BASELINE_SOURCE, "difference"] = np.nan
    frame["components"] = [" ".join(name.split(":", 1)[-1] for name in one) for one in frame["components"]]
    frame["reason"] = frame["reason"].fillna("")
    order = ["rung", "tokens", "loss", "number"]
    frame = frame.sort_values(order, ascending=[False, False, True, True], na_position="last")
    # Without a loss it is below everything that has one, whatever its fidelity.
    frame = pd.concat([frame[frame["loss"].notna()], frame[frame["loss"].isna()]])
    return frame[list(BOARD)].reset_index(drop=True)


def levels(trials: list[Measurement]) -> list[Fidelity]:
    """Return the fidelities at which something was measured, the highest first."""
    found = {(trial.rung, trial.fidelity_tokens) for trial in trials if trial.val_loss is not None}
    return [Fidelity(rung, tokens) for rung, tokens in sorted(found, reverse=True)]


def digest(*parts: object) -> str:
    """Return a short text that changes with its parts, for the key of a widget."""
    return f"{zlib.crc32(repr(parts).encode()):08x}"
