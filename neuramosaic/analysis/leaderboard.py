"""Who leads, and against what: trials are compared with trials of the same fidelity only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from neuramosaic.store.records import TrialRecord

BASELINE_SOURCE = "baseline"
#: Source of the trials that a comparison pairs with the baseline's, seed by seed.
COMPARISON_SOURCE = "comparison"


class Measured(Protocol):
    """What a comparison of losses needs of a trial: a `TrialRecord` has it, and a `Measurement`."""

    @property
    def source(self) -> str:
        """Who proposed it."""

    @property
    def components(self) -> tuple[str, ...]:
        """`slot:name` of each of its components."""

    @property
    def rung(self) -> int:
        """Index of the fidelity level."""

    @property
    def fidelity_tokens(self) -> int:
        """Tokens of training."""

    @property
    def val_loss(self) -> float | None:
        """Validation loss; None unless COMPLETE."""


M = TypeVar("M", bound=Measured)


@dataclass(frozen=True, order=True)
class Fidelity:
    """How much was spent on a trial.

    Attributes:
        rung: Index of the fidelity level, from 0.
        tokens: Tokens of training.
    """

    rung: int
    tokens: int

    def __str__(self) -> str:
        return f"rung {self.rung}, {self.tokens:,} tokens"


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        rank: From 1.
        trial: The trial.
        loss: Validation loss in nats per token, minimised.
        difference: Loss minus that of the baseline at the same fidelity with the same seed, negative is better; None if
            the baseline was not measured there.
        is_baseline: Whether the trial's architecture is the baseline.
    """

    rank: int
    trial: TrialRecord
    loss: float
    difference: float | None
    is_baseline: bool


@dataclass(frozen=True)
class Comparison:
    """The best trial against the baseline, at one fidelity.

    Attributes:
        fidelity: The highest at which both were measured.
        best: Lowest validation loss at that fidelity, the baseline left out; with the first seed, if there are several.
        baseline: The baseline at that fidelity, with the same seed.
        candidates: How many architectures `best` was picked from.
    """

    fidelity: Fidelity
    best: TrialRecord
    baseline: TrialRecord
    candidates: int

    @property
    def difference(self) -> float:
        """Loss of the best minus that of the baseline, in nats per token; negative favours the best."""
        return measured(self.best) - measured(self.baseline)


@dataclass(frozen=True)
class Progress:
    """The lowest loss after so many finished trials of one fidelity.

    Attributes:
        finished: Finished trials so far, failed ones among them.
        trial: Id of the one that just finished.
        best: Lowest validation loss so far, in nats per token.
    """

    finished: int
    trial: str
    best: float


def fidelity(trial: Measured) -> Fidelity:
    """Return the fidelity that a trial was given."""
    return Fidelity(trial.rung, trial.fidelity_tokens)


def measured(trial: Measured) -> float:
    """Return the validation loss of a COMPLETE trial, in nats per token."""
    assert trial.val_loss is not None, f"{trial} has no validation loss"
    return trial.val_loss


def completed(trials: Sequence[M]) -> list[M]:
    """Return the trials that have a validation loss, in the order given."""
    return [trial for trial in trials if trial.val_loss is not None]


def leaderboard(trials: Sequence[TrialRecord], baseline: str | None = None) -> list[Row]:
    """Rank the architectures: the highest fidelity first, then the lowest validation loss.

    Each architecture appears with its trials of the highest fidelity that it was measured at, and no other.

    Args:
        trials: Trials of one study, in any order and state.
        baseline: Content id of the baseline's architecture; found by its source if not given.
    """
    done = completed(trials)
    reference = baseline or _baseline_id(done)
    top: dict[str, Fidelity] = {}
    for trial in done:
        top[trial.architecture_id] = max(fidelity(trial), top.get(trial.architecture_id, fidelity(trial)))
    ranked = sorted(
        (trial for trial in done if fidelity(trial) == top[trial.architecture_id]),
        key=lambda trial: (-trial.rung, -trial.fidelity_tokens, measured(trial), trial.number),
    )
    references: dict[tuple[Fidelity, int], TrialRecord] = {}
    for trial in sorted(done, key=lambda trial: trial.number, reverse=True):
        if trial.architecture_id == reference:
            references[fidelity(trial), trial.seed] = trial
    rows = []
    for rank, trial in enumerate(ranked, start=1):
        versus = references.get((fidelity(trial), trial.seed))
        difference = measured(trial) - measured(versus) if versus else None
        rows.append(Row(rank, trial, measured(trial), difference, trial.architecture_id == reference))
    return rows


def compare_with_baseline(trials: Sequence[TrialRecord], baseline: str | None = None) -> Comparison | None:
    """Compare the best trial with the baseline at the highest fidelity that has both; None if there is none."""
    done = completed(trials)
    reference = baseline or _baseline_id(done)
    for level in sorted({fidelity(trial) for trial in done}, reverse=True):
        others = [t for t in done if fidelity(t) == level and t.architecture_id != reference]
        if not others:
            continue
        first = min(trial.seed for trial in others)  # of several seeds one, and not the luckiest
        best = min((t for t in others if t.seed == first), key=lambda trial: (measured(trial), trial.number))
        versus = _at(done, reference, level, best.seed)
        if versus:
            return Comparison(level, best, versus, len({trial.architecture_id for trial in others}))
    return None


def best_so_far(trials: Sequence[TrialRecord]) -> dict[Fidelity, list[Progress]]:
    """Return how the lowest loss fell, for each fidelity apart, in the order in which the trials finished."""
    order = sorted((t for t in trials if t.state.finished), key=lambda t: (t.finish_order or 0, t.number))
    curves: dict[Fidelity, list[Progress]] = {}
    for level in sorted({fidelity(trial) for trial in order}):
        best = float("inf")
        for finished, trial in enumerate((t for t in order if fidelity(t) == level), start=1):
            if trial.val_loss is not None:
                best = min(best, trial.val_loss)
            if best < float("inf"):
                curves.setdefault(level, []).append(Progress(finished, trial.id, best))
    return curves


def _baseline_id(trials: Sequence[TrialRecord]) -> str | None:
    return next((trial.architecture_id for trial in trials if trial.source == BASELINE_SOURCE), None)


def _at(trials: Sequence[TrialRecord], architecture: str | None, level: Fidelity, seed: int) -> TrialRecord | None:
    """Return the architecture's trial at a fidelity and with a seed, if there is one."""
    found = (t for t in trials if t.architecture_id == architecture and fidelity(t) == level and t.seed == seed)
    return min(found, key=lambda trial: trial.number, default=None)
