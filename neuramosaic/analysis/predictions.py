"""Whether the language model's predictions mean anything: what it expected against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuramosaic.store.records import TrialRecord

FEWEST = 5
"""Predictions that were measured, below which nothing is said of them."""
RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Predictions:
    """Predicted against measured val loss at the first rung, in nats per token.

    Attributes:
        made: Trials that came with a prediction.
        measured: Those of them that completed.
        error: Mean absolute error; None if too few were measured. So for all that follow.
        bias: Mean of predicted minus measured; positive: it expected worse than came.
        trivial_error: Mean absolute error of the trivial prediction for the same trials: the mean of what had been
            measured when each was proposed.
        rank_correlation: Spearman's; None also if all predictions, or all losses, are equal.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
    """

    made: int
    measured: int
    error: float | None = None
    bias: float | None = None
    trivial_error: float | None = None
    rank_correlation: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """Return in a sentence whether they mean anything."""
        if self.error is None or self.trivial_error is None:
            return f"{self.measured} of {self.made} were measured: too few to say anything, {FEWEST} are needed"
        better = "less" if self.error < self.trivial_error else "no less"
        text = (
            f"{self.measured} of {self.made} were measured: off by {self.error:.3f}, {better} than the trivial"
            f" prediction ({self.trivial_error:.3f})"
        )
        if self.rank_correlation is None or self.low is None or self.high is None:
            return f"{text}; its order says nothing: all are alike"
        order = "its order means something" if self.low > 0 else "its order is not told from chance"
        return f"{text}; {order}, rank correlation {self.rank_correlation:+.2f} ({self.low:+.2f} to {self.high:+.2f})"

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON, with the verdict."""
        return {**vars(self), "verdict": self.verdict}


def assess_predictions(trials: Sequence[TrialRecord], *, rng: np.random.Generator) -> Predictions | None:
    """Compare the predictions of a study with what was measured.

    Args:
        trials: Trials of one study, in any order and state. A prediction is `predicted_loss` in `TrialRecord.proposal`,
            of the loss at the first rung.
        rng: Source of the bootstrap's resamples.

    Returns:
        None if no trial came with a prediction.
    """
    first = [trial for trial in trials if trial.rung == 0 and trial.parent is None]
    made = [trial for trial in first if isinstance(trial.proposal.get("predicted_loss"), (int, float))]
    if not made:
        return None
    # Trial 0 is the baseline, so that something was measured before each; but a study may have been cut off.
    pairs = [
        (float(trial.proposal["predicted_loss"]), trial.val_loss, float(np.mean(known)))
        for trial in made
        if trial.val_loss is not None and (known := _known_before(trial, first))
    ]
    if len(pairs) < FEWEST:
        return Predictions(len(made), len(pairs))
    predicted, measured, trivial = np.array(pairs).T
    correlation, low, high = _rank_correlation(predicted, measured, rng)
    return Predictions(
        made=len(made),
        measured=len(pairs),
        error=float(np.abs(predicted - measured).mean()),
        bias=float((predicted - measured).mean()),
        trivial_error=float(np.abs(trivial - measured).mean()),
        rank_correlation=correlation,
        low=low,
        high=high,
    )


def _known_before(trial: TrialRecord, first: Sequence[TrialRecord]) -> list[float]:
    """Return the losses of the first rung that had been measured when a trial was proposed."""
    return [
        other.val_loss
        for other in first
        if other.val_loss is not None and other.finish_order is not None and other.finish_order <= trial.after
    ]


def _rank_correlation(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float | None, float | None, float | None]:
    """Return Spearman's rank correlation with its percentile bootstrap interval; None where there is none."""
    whole = _spearman(a, b)
    if whole is None:
        return None, None, None
    picks = rng.integers(len(a), size=(RESAMPLES, len(a)))
    drawn = [value for pick in picks if (value := _spearman(a[pick], b[pick])) is not None]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return whole, float(low), float(high)


def _spearman(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float | None:
    x, y = _ranks(a), _ranks(b)
    if x.std() == 0 or y.std() == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the ranks, ties at their mean."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    ranks: npt.NDArray[np.float64] = below + (equal - 1) / 2
    return ranks
