"""Successive halving, by simulation with workers that finish in any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuramosaic.errors import InvalidValueError
from neuramosaic.search.scheduler import Done, Promote, RungTrial, Sample, Wait, decide


def simulate(*, budget, rungs, eta, workers, seed, failure=0.0, baseline=True):
    """Run a study; return its trials and what was decided."""
    rng = np.random.default_rng(seed)
    trials = [RungTrial(0, 0, baseline=True)] if baseline else []
    quality = {0: 0.5}
    origin = {0: 0}
    decisions = []

    def start(rung, source, is_baseline):
        number = len(trials)
        origin[number] = number if source is None else origin[source]
        quality.setdefault(origin[number], float(rng.random()))
        trials.append(RungTrial(number, rung, baseline=is_baseline))

    for _ in range(10_000):
        running = [trial for trial in trials if not trial.finished]
        decision = decide(trials, budget=budget, rungs=rungs, eta=eta)
        if len(running) < workers and isinstance(decision, (Sample, Promote)):
            decisions.append(decision)
            if isinstance(decision, Sample):
                start(0, None, False)
            else:
                chosen = decision.trial
                assert not chosen.failed
                assert not chosen.promoted
                trials[chosen.number] = replace(chosen, promoted=True)
                start(chosen.rung + 1, chosen.number, chosen.baseline)
            continue
        if isinstance(decision, Done):
            assert not running
            return trials, decisions, origin
        ended = running[int(rng.integers(len(running)))]
        failed = rng.random() < failure and not ended.baseline
        value = None if failed else quality[origin[ended.number]] - ended.rung
        trials[ended.number] = replace(ended, finished=True, failed=failed, value=value)
    raise AssertionError("does not end")


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize(
    ("budget", "rungs", "eta"), [(0, 1, 2), (1, 3, 3), (16, 1, 4), (16, 2, 4), (30, 3, 3), (27, 5, 2)]
)
@pytest.mark.parametrize("failure", [0.0, 0.4, 1.0])
def test_every_study_ends_with_its_budget_spent(budget, rungs, eta, workers, failure):
    for seed in range(3):
        trials, _, _ = simulate(budget=budget, rungs=rungs, eta=eta, workers=workers, seed=seed, failure=failure)
        candidates = [trial for trial in trials if not trial.baseline]
        assert sum(trial.rung == 0 for trial in candidates) == budget
        used = {trial.rung for trial in candidates} | {0}
        assert {trial.rung for trial in trials if trial.baseline} == used
        assert all(sum(t.rung == rung and t.baseline for t in trials) == 1 for rung in used)
        if failure == 0 and budget:
            assert used == set(range(rungs))


def test_a_seed_fixes_the_decisions():
    options = dict(budget=20, rungs=3, eta=3, workers=4, seed=1, failure=0.2)
    assert simulate(**options)[1] == simulate(**options)[1]


def test_with_one_worker_about_one_in_eta_goes_on_and_the_best_is_among_them():
    trials, _, origin = simulate(budget=27, rungs=3, eta=3, workers=1, seed=4)
    at = [[t for t in trials if t.rung == rung and not t.baseline] for rung in range(3)]
    assert 9 <= len(at[1]) <= 14
    assert 3 <= len(at[2]) <= 6
    best = min(at[0], key=lambda trial: trial.value)
    assert origin[best.number] in {origin[trial.number] for trial in at[2]}


def test_no_baseline_is_needed():
    trials, _, _ = simulate(budget=9, rungs=2, eta=3, workers=2, seed=0, baseline=False)
    assert max(trial.rung for trial in trials) == 1


def done(number, value, rung=0, **fields):
    return RungTrial(number, rung, value=value, finished=True, failed=value is None, **fields)


def test_decisions_by_example():
    def ask(*trials):
        return decide(trials, budget=4, rungs=2, eta=2)

    base = done(0, 1.0, baseline=True)
    assert ask() == Sample()
    assert ask(base, done(1, 3.0)) == Sample()
    assert ask(base, done(1, 3.0), done(2, 2.0)) == Promote(done(2, 2.0))
    # Equal values: the earlier trial.
    assert ask(base, done(2, 2.0), done(1, 2.0)) == Promote(done(1, 2.0))
    # The baseline follows what was promoted, unless it failed.
    assert ask(base, done(2, 2.0, promoted=True), RungTrial(3, 1)) == Promote(base)
    assert ask(done(0, None, baseline=True), done(2, 2.0, promoted=True), RungTrial(3, 1)) == Sample()
    # Failed trials count, but never go on.
    assert ask(done(1, None), done(2, None)) == Sample()
    assert ask(*(done(n, None) for n in range(1, 5))) == Done()
    running = [RungTrial(n, 0) for n in range(1, 5)]
    assert ask(*running) == Wait()
    # Three failed: only once the rung is closed is it clear that the fourth is the best.
    assert ask(done(1, None), done(2, 9.0), RungTrial(3, 0), RungTrial(4, 0)) == Promote(done(2, 9.0))


def test_a_small_study_reaches_the_top_rung():
    assert decide([done(1, 2.0), RungTrial(2, 0)], budget=2, rungs=2, eta=4) == Wait()
    assert decide([done(1, 2.0), done(2, 1.0)], budget=2, rungs=2, eta=4) == Promote(done(2, 1.0))


@pytest.mark.parametrize("bad", [{"budget": -1}, {"rungs": 0}, {"eta": 1}, {"eta": 2.5}])
def test_bad_numbers_are_refused(bad):
    with pytest.raises(InvalidValueError, match=next(iter(bad))):
        decide([], **{"budget": 1, "rungs": 1, "eta": 2, **bad})


def test_a_trial_above_the_rungs_is_refused():
    with pytest.raises(InvalidValueError, match="rung of trial 7"):
        decide([RungTrial(7, 2)], budget=1, rungs=2, eta=2)
