from typing import Any

import pytest

from neuramosaic.analysis.leaderboard import Fidelity, best_so_far, compare_with_baseline, leaderboard
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialRecord, TrialState


def ids(rows: Any) -> list[str]:
    return [row.trial.id.split(".")[1] for row in rows]


def test_the_highest_rung_leads_then_the_lowest_loss(trial: Any, architectures: list[Architecture]) -> None:
    base, a, b, c = architectures[:4]
    trials = [
        trial(0, base, 2.0, source="baseline"),
        trial(1, a, 1.5),
        trial(2, b, 1.9),
        trial(3, c, None),
        trial(4, b, 1.7, rung=1),
        trial(5, base, 1.6, rung=1, source="baseline"),
        trial(6, c, None, state=TrialState.RUNNING),
    ]
    rows = leaderboard(trials)
    # 1 has the lowest loss of all, but at a lower fidelity; 0 and 2 were measured again at a higher one.
    assert ids(rows) == ["5", "4", "1"]
    assert [row.rank for row in rows] == [1, 2, 3]
    assert [row.is_baseline for row in rows] == [True, False, False]
    # Each against the baseline of its own fidelity.
    assert [row.difference for row in rows] == pytest.approx([0.0, 0.1, -0.5])


def test_without_a_baseline_of_that_fidelity_there_is_no_difference(
    trial: Any, architectures: list[Architecture]
) -> None:
    base, a = architectures[:2]
    trials = [trial(0, base, 2.0, source="baseline"), trial(1, a, 1.9), trial(2, a, 1.5, rung=1)]
    assert [row.difference for row in leaderboard(trials)] == [None, 0.0]
    comparison = compare_with_baseline(trials)
    assert comparison is not None
    assert comparison.fidelity == Fidelity(0, 1_000_000)
    assert comparison.difference == pytest.approx(-0.1)
    assert comparison.candidates == 1


def test_the_baseline_can_be_named(trial: Any, architectures: list[Architecture]) -> None:
    a, b = architectures[1:3]
    trials = [trial(0, a, 2.0), trial(1, b, 1.9)]
    assert compare_with_baseline(trials) is None
    assert [row.difference for row in leaderboard(trials, baseline=a.id)] == pytest.approx([-0.1, 0.0])


def test_a_trial_is_compared_with_the_baseline_of_its_seed(trial: Any, architectures: list[Architecture]) -> None:
    base, a = architectures[:2]
    trials = [
        trial(0, base, 2.0, source="baseline", seed=0),
        trial(1, base, 2.5, source="baseline", seed=1),
        trial(2, a, 2.4, seed=1),
    ]
    row = next(row for row in leaderboard(trials) if row.trial.number == 2)
    assert row.difference == pytest.approx(-0.1)


def test_best_so_far_keeps_fidelities_apart_and_counts_failures(trial: Any, architectures: list[Architecture]) -> None:
    a, b, c, d = architectures[:4]
    trials = [
        trial(0, a, None, finish_order=1),
        trial(1, b, 2.0, finish_order=3),
        trial(2, c, 2.2, finish_order=2),
        trial(3, d, 1.2, rung=1, finish_order=4),
        trial(4, d, 1.9, finish_order=5),
    ]
    curves = best_so_far(trials)
    low, high = Fidelity(0, 1_000_000), Fidelity(1, 3_000_000)
    assert [(step.finished, step.best) for step in curves[low]] == [(2, 2.2), (3, 2.0), (4, 1.9)]
    assert [(step.finished, step.best) for step in curves[high]] == [(1, 1.2)]


def test_a_study_without_results_has_empty_tables(trial: Any, architectures: list[Architecture]) -> None:
    failed: list[TrialRecord] = [trial(0, architectures[0], None, source="baseline")]
    for trials in ([], failed):
        assert leaderboard(trials) == []
        assert compare_with_baseline(trials) is None
        assert best_so_far(trials) == {}


def test_without_the_baseline_of_its_seed_there_is_no_difference(trial: Any, architectures: list[Architecture]) -> None:
    base, a = architectures[:2]
    rows = leaderboard([trial(0, base, 2.0, source="baseline", seed=0), trial(1, a, 1.9, seed=1)])
    assert {row.trial.number: row.difference for row in rows} == {0: 0.0, 1: None}
    assert compare_with_baseline([row.trial for row in rows]) is None


def test_of_several_seeds_the_first_is_compared_and_not_the_luckiest(
    trial: Any, architectures: list[Architecture]
) -> None:
    base, a = architectures[:2]
    losses = [
        (base, 2.0, "baseline", 0),
        (a, 2.1, "comparison", 0),
        (base, 2.0, "baseline", 1),
        (a, 1.5, "comparison", 1),
    ]
    trials = [
        trial(number, design, loss, source=source, seed=seed)
        for number, (design, loss, source, seed) in enumerate(losses)
    ]
    found = compare_with_baseline(trials)
    assert found is not None
    assert (found.best.number, found.baseline.number, found.candidates) == (1, 0, 1)
