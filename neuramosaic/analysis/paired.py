"""A component against the baseline, seed by seed: the mean difference, its interval, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, COMPARISON_SOURCE, Fidelity, fidelity, measured
from neuramosaic.analysis.student import t_factor
from neuramosaic.errors import InvalidValueError
from neuramosaic.store.records import TrialRecord

LEVEL = 0.95
#: With fewer degrees of freedom than this, t is so much wider than a normal that a reader should be told.
WIDE_BELOW = 9


@dataclass(frozen=True)
class Interval:
    """A mean and its t interval.

    Attributes:
        mean: The mean.
        low: Lower end.
        high: Upper end.
        level: Coverage, if the values are drawn from a normal distribution.
        degrees: Degrees of freedom of t: the number of values less one.
    """

    mean: float
    low: float
    high: float
    level: float
    degrees: int

    @property
    def holds_zero(self) -> bool:
        """Whether 0 lies in it."""
        return self.low <= 0 <= self.high


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean of some values with its t interval.

    Args:
        values: At least 2.
        level: Coverage, in (0, 1).

    Raises:
        InvalidValueError: If there are fewer than 2 values, or the level is no probability.
    """
    n = len(values)
    if n < 2:
        raise InvalidValueError("values", n, "at least 2 values: one has no spread")
    mean = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_factor(level, n - 1) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, level, n - 1)


@dataclass(frozen=True)
class Pair:
    """The two trials of one seed, both COMPLETE, at the same fidelity, on the same data.

    Attributes:
        seed: Of data order and initialisation.
        candidate: The trial with the component.
        baseline: The baseline's trial.
    """

    seed: int
    candidate: TrialRecord
    baseline: TrialRecord

    @property
    def difference(self) -> float:
        """Loss of the candidate minus that of the baseline; negative favours the candidate."""
        return measured(self.candidate) - measured(self.baseline)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "seed": self.seed,
            "candidate": {"trial": self.candidate.id, "val_loss": measured(self.candidate)},
            "baseline": {"trial": self.baseline.id, "val_loss": measured(self.baseline)},
            "difference": self.difference,
        }


@dataclass(frozen=True)
class PairedComparison:
    """What a comparison has shown so far.

    Attributes:
        fidelity: At which all its trials are.
        pairs: The seeds that can be compared, in order.
        missing: Why a seed cannot be compared, by seed; a seed whose trials have not finished is in neither.
        planned: How many seeds were begun.
    """

    fidelity: Fidelity
    pairs: tuple[Pair, ...]
    missing: tuple[tuple[int, str], ...]
    planned: int

    @property
    def interval(self) -> Interval | None:
        """The mean difference with its interval; None with fewer than two pairs."""
        return t_interval([pair.difference for pair in self.pairs]) if len(self.pairs) > 1 else None

    @property
    def size_difference(self) -> float:
        """How far the parameters of the two are apart, relative to the baseline's."""
        return max(
            (abs(pair.candidate.params - pair.baseline.params) / pair.baseline.params for pair in self.pairs),
            default=0.0,
        )

    def sentence(self, unit: str) -> str:
        """Return what may be said, in one sentence.

        Args:
            unit: Unit of the loss, such as "nats per byte".
        """
        interval = self.interval
        if not self.pairs:
            whys = "; ".join(f"seed {seed}: {why}" for seed, why in self.missing)
            return "nothing can be said: no seed has both trials" + (f" ({whys})" if whys else "")
        if interval is None:
            pair = self.pairs[0]
            said = _beside(pair.difference, unit)
            return f"nothing is shown: with seed {pair.seed} alone it is {said}, and one seed has no interval"
        if interval.holds_zero:
            ends = f"{_side(interval.low)} to {_side(interval.high)}"
            found = f"no difference shown: mean {_beside(interval.mean, unit)}"
        else:
            ends = " to ".join(f"{end:.4f}" for end in sorted((abs(interval.low), abs(interval.high))))
            found = _beside(interval.mean, unit) + (" (worse)" if interval.mean > 0 else "")
        same = f"same parameters (within {100 * self.size_difference:.1f} %) and tokens"
        return f"{found}, {100 * interval.level:.0f} % interval {ends}, {len(self.pairs)} seeds, {same}"

    def caveats(self) -> list[str]:
        """Return what a reader has to know besides, a sentence each."""
        said = [f"Seed {seed} is left out: {why}." for seed, why in self.missing if self.pairs]
        interval = self.interval
        if interval is not None and interval.degrees < WIDE_BELOW:
            factor = t_factor(interval.level, interval.degrees)
            said.append(
                f"The interval is Student's t with {interval.degrees} degree{'s' if interval.degrees > 1 else ''} of "
                f"freedom, {factor:.2f} standard errors to either side: wide by nature, and narrower with more seeds."
            )
        said.append("Both have the same, untuned training numbers, and the same data order and seeds, pair by pair.")
        return said

    def to_json(self, unit: str) -> dict[str, Any]:
        """Return it as programs may rely on it."""
        interval = self.interval
        return {
            "per_seed": [pair.to_json() for pair in self.pairs],
            "missing": [{"seed": seed, "why": why} for seed, why in self.missing],
            "difference": interval.mean if interval else None,
            "interval": [interval.low, interval.high] if interval else None,
            "level": interval.level if interval else None,
            "degrees_of_freedom": interval.degrees if interval else None,
            "tokens": self.fidelity.tokens,
            "size_difference": self.size_difference,
            "unit": unit,
            "sentence": self.sentence(unit),
        }


def paired_comparison(trials: Sequence[TrialRecord]) -> PairedComparison | None:
    """Return what a comparison's trials show; None if they are those of a search.

    Args:
        trials: All trials of a study, in any order and state.
    """
    with_it = [trial for trial in trials if trial.source == COMPARISON_SOURCE]
    if not with_it:
        return None
    baselines = {_conditions(trial): trial for trial in trials if trial.source == BASELINE_SOURCE}
    pairs, missing = [], []
    for candidate in sorted(with_it, key=lambda trial: trial.number):
        baseline = baselines.get(_conditions(candidate))
        whys = [] if baseline else ["the baseline was not trained"]
        for name, trial in (("the baseline", baseline), ("the model with the component", candidate)):
            if trial is not None and trial.state.finished and trial.val_loss is None:
                reason = trial.outcome.reason if trial.outcome else ""
                whys.append(f"{name} is {trial.state}" + (f": {reason}" if reason else ""))
        if whys:
            missing.append((candidate.seed, ", ".join(whys)))
        elif baseline is not None and baseline.val_loss is not None and candidate.val_loss is not None:
            pairs.append(Pair(candidate.seed, candidate, baseline))
    return PairedComparison(fidelity(with_it[0]), tuple(pairs), tuple(missing), len(with_it))


def _conditions(trial: TrialRecord) -> tuple[Any, ...]:
    """Return what the two trials of a pair have in common."""
    return trial.seed, fidelity(trial), trial.corpus


def _beside(difference: float, unit: str) -> str:
    return f"{abs(difference):.4f} {unit} {'above' if difference > 0 else 'below'} the baseline"


def _side(difference: float) -> str:
    return f"{abs(difference):.4f} {'above' if difference > 0 else 'below'}"
