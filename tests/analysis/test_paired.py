"""Paired differences: what an interval is, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from neuramosaic.analysis.paired import PairedComparison, paired_comparison, t_interval
from neuramosaic.analysis.student import t_factor, t_probability
from neuramosaic.errors import InvalidValueError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialRecord, TrialState

UNIT = "nats per byte"
MakeTrial = Callable[..., TrialRecord]


@pytest.mark.parametrize(
    ("degrees", "factor"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (30, 2.0423)],
)
def test_the_factor_is_that_of_the_tables(degrees: int, factor: float) -> None:
    assert t_factor(0.95, degrees) == pytest.approx(factor, abs=5e-5)
    assert t_probability(t_factor(0.95, degrees), degrees) == pytest.approx(0.95, abs=1e-12)


def test_the_probability_is_exact_where_it_is_simple() -> None:
    assert t_probability(1.0, 1) == pytest.approx(0.5)  # Cauchy
    assert t_probability(2.0, 2) == pytest.approx(2 / math.sqrt(6))
    assert t_probability(0.0, 5) == 0.0


@pytest.mark.parametrize(("level", "degrees"), [(0.0, 2), (1.0, 2), (0.95, 0)])
def test_a_level_or_a_degree_out_of_range_is_refused(level: float, degrees: int) -> None:
    with pytest.raises(InvalidValueError):
        t_factor(level, degrees)


def test_the_interval_of_three_values() -> None:
    interval = t_interval([-0.03, -0.01, -0.02])
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert (interval.mean, interval.degrees) == (pytest.approx(-0.02), 2)
    assert (interval.low, interval.high) == (pytest.approx(-0.02 - half), pytest.approx(-0.02 + half))
    assert interval.holds_zero


def test_one_value_has_no_interval() -> None:
    with pytest.raises(InvalidValueError, match="at least 2 values"):
        t_interval([0.1])


@pytest.fixture
def compared(trial: MakeTrial, architectures: list[Architecture]) -> Callable[..., PairedComparison]:
    """Make a comparison from the losses of the baseline and of the candidate, seed by seed; None is a failed trial."""

    def make(baseline: Sequence[float | None], candidate: Sequence[float | None]) -> PairedComparison:
        trials = []
        for seed, losses in enumerate(zip(baseline, candidate, strict=True)):
            for changed, loss in enumerate(losses):
                source = "comparison" if changed else "baseline"
                number = 2 * seed + changed
                params = 60_000 + 480 * changed
                trials.append(trial(number, architectures[changed], loss, source=source, seed=seed, params=params))
        found = paired_comparison(trials[::-1])
        assert found is not None
        return found

    return make


def test_a_difference_that_is_shown(compared: Callable[..., PairedComparison]) -> None:
    paired = compared([2.0, 2.1, 2.05], [1.97, 2.066, 2.021])
    assert paired.sentence(UNIT) == (
        "0.0310 nats per byte below the baseline, 95 % interval 0.0244 to 0.0376, 3 seeds, "
        "same parameters (within 0.8 %) and tokens"
    )
    assert any("2 degrees of freedom, 4.30 standard errors" in caveat for caveat in paired.caveats())
    document = paired.to_json(UNIT)
    assert document["difference"] == pytest.approx(-0.031)
    assert document["interval"] == [pytest.approx(-0.03757, abs=1e-5), pytest.approx(-0.02443, abs=1e-5)]
    assert [pair["seed"] for pair in document["per_seed"]] == [0, 1, 2]
    assert (document["degrees_of_freedom"], document["level"], document["unit"]) == (2, 0.95, UNIT)


def test_what_is_worse_is_called_so(compared: Callable[..., PairedComparison]) -> None:
    sentence = compared([2.0, 2.1, 2.05], [2.03, 2.134, 2.079]).sentence(UNIT)
    assert sentence.startswith("0.0310 nats per byte above the baseline (worse), 95 % interval 0.0244 to 0.0376")


def test_an_interval_that_holds_zero_shows_nothing(compared: Callable[..., PairedComparison]) -> None:
    sentence = compared([2.0, 2.1, 2.05], [1.97, 2.11, 2.04]).sentence(UNIT)
    assert sentence.startswith("no difference shown: mean 0.0100 nats per byte below the baseline, 95 % interval ")
    assert "0.0597 below to 0.0397 above, 3 seeds" in sentence


def test_a_failed_trial_leaves_its_seed_out(compared: Callable[..., PairedComparison]) -> None:
    paired = compared([2.0, None, 2.05], [1.97, 2.0, 2.02])
    assert [pair.seed for pair in paired.pairs] == [0, 2]
    assert "2 seeds" in paired.sentence(UNIT)
    assert paired.caveats()[0] == "Seed 1 is left out: the baseline is FAILED: diverged at step 12."
    assert "1 degree of freedom, 12.71 standard errors" in paired.caveats()[1]


def test_one_pair_shows_nothing(compared: Callable[..., PairedComparison]) -> None:
    paired = compared([2.0, 2.1], [1.9, None])
    assert paired.interval is None
    said = "with seed 0 alone it is 0.1000 nats per byte below the baseline, and one seed has no interval"
    assert paired.sentence(UNIT) == f"nothing is shown: {said}"
    assert paired.to_json(UNIT)["interval"] is None


def test_no_pair_says_why(compared: Callable[..., PairedComparison]) -> None:
    sentence = compared([2.0, None], [None, None]).sentence(UNIT)
    assert sentence.startswith("nothing can be said: no seed has both trials")
    assert "seed 0: the model with the component is FAILED: diverged at step 12" in sentence
    assert "seed 1: the baseline is FAILED: diverged at step 12, the model with the component is FAILED" in sentence


def test_a_trial_that_still_runs_is_neither_paired_nor_missing(
    trial: MakeTrial, architectures: list[Architecture]
) -> None:
    trials = [
        trial(0, architectures[0], 2.0, source="baseline"),
        trial(1, architectures[1], None, source="comparison", state=TrialState.RUNNING),
    ]
    paired = paired_comparison(trials)
    assert paired is not None
    assert (paired.pairs, paired.missing) == ((), ())
    assert paired.sentence(UNIT) == "nothing can be said: no seed has both trials"


def test_unlike_trials_are_no_pair(trial: MakeTrial, architectures: list[Architecture]) -> None:
    base = trial(0, architectures[0], 2.0, source="baseline")
    for change in ({"seed": 1}, {"rung": 1}, {"corpus": "sha256:other"}):
        paired = paired_comparison([base, trial(1, architectures[1], 1.9, source="comparison", **change)])
        assert paired is not None
        assert paired.pairs == ()
        assert "the baseline was not trained" in paired.sentence(UNIT)


def test_a_search_is_no_comparison(trials: list[TrialRecord]) -> None:
    assert paired_comparison(trials) is None
