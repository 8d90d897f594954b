from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from neuramosaic.errors import InvalidValueError
from neuramosaic.search.bandit import DISCOUNT, FLOOR, Play, choose, rank_payoff
from neuramosaic.seeds import stream

ARMS = ("bayes", "evolution", "llm")


def simulate(payoffs, *, costs=None, rounds=300, seed=0, changed=None, until=0, lag=0):
    """Play a bandit whose arms bring payoffs of known means; return the plays."""
    rng = stream(seed, "world")
    plays = []
    for number in range(rounds):
        means = changed if changed and number >= until else payoffs
        shown = [
            play if number - index > lag else Play(play.arm)  # the youngest are still under way
            for index, play in enumerate(plays)
        ]
        arm = choose(shown, ARMS, stream(seed, "bandit", number)).arm
        mean = means[ARMS.index(arm)]
        plays.append(Play(arm, float(rng.beta(4 * mean, 4 * (1 - mean))), (costs or (1.0,) * 3)[ARMS.index(arm)]))
    return plays


def shares(plays):
    counts = Counter(play.arm for play in plays)
    return [counts[arm] / len(plays) for arm in ARMS]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("best", range(3))
def test_it_converges_to_the_best_arm_and_a_bad_one_keeps_only_its_floor(seed, best):
    payoffs = [0.15, 0.15, 0.15]
    payoffs[best] = 0.6
    plays = simulate(payoffs, seed=seed)
    late = shares(plays[100:])
    assert late[best] > 0.75
    for arm in set(range(3)) - {best}:
        assert late[arm] <= FLOOR + 0.03
        assert shares(plays)[arm] >= FLOOR - 0.01


def test_an_arm_that_costs_more_has_to_bring_more():
    payoffs = (0.3, 0.3, 0.5)
    assert shares(simulate(payoffs)[100:])[2] > 0.6
    assert shares(simulate(payoffs, costs=(1.0, 1.0, 4.0))[100:])[2] < FLOOR + 0.03


def test_an_arm_that_gets_better_recovers_through_its_floor():
    plays = simulate((0.5, 0.2, 0.1), rounds=500, changed=(0.3, 0.2, 0.8), until=200)
    assert shares(plays[100:200])[2] < FLOOR + 0.03
    assert shares(plays[350:])[2] > 0.6


def test_plays_under_way_count_towards_the_floor_and_do_not_stop_convergence():
    assert [choose([Play(arm) for arm in ARMS[:n]], ARMS, stream(0, n)).arm for n in range(3)] == list(ARMS)
    assert shares(simulate((0.1, 0.1, 0.6), lag=8)[100:])[2] > 0.7


def test_a_decision_is_a_function_of_plays_and_seed():
    plays = simulate((0.2, 0.3, 0.4), rounds=20)
    decisions = {choose(plays, ARMS, stream(0, "again")).standings for _ in range(3)}
    assert len(decisions) == 1
    arms = {choose(plays, ARMS, stream(seed)).arm for seed in range(50)}
    assert len(arms) > 1  # it is a draw, not the greatest mean


def test_older_plays_weigh_less():
    good_then_bad = [Play("llm", 1.0)] * 20 + [Play("llm", 0.0)] * 20
    now = choose(good_then_bad, ["llm"], stream(0)).standings[0].payoff
    assert now < choose(good_then_bad, ["llm"], stream(0), discount=1.0).standings[0].payoff
    assert DISCOUNT < 1.0


def test_why_says_what_decided():
    first = choose([], ARMS, stream(0))
    assert first.why() == "slot to bayes: it had 0 of 0, less than its floor of 10%"
    plays = [Play(arm, 0.5, 1.0) for arm in ARMS]
    later = choose(plays, ARMS, stream(0))
    assert later.why().startswith(f"slot to {later.arm}: payoff per cost bayes 0.37, evolution 0.37, llm 0.38; drawn")


def test_rank_payoff():
    assert rank_payoff(1.0, [2.0, 3.0]) == 1.0
    assert rank_payoff(2.0, [1.0, 3.0]) == 0.25
    assert rank_payoff(3.0, [1.0, 2.0]) == 0.0
    assert rank_payoff(1.0, [1.0]) == 0.25
    values = np.random.default_rng(0).permutation(200).astype(float).tolist()
    mean = np.mean([rank_payoff(value, values[:i] + values[i + 1 :]) for i, value in enumerate(values)])
    assert mean == pytest.approx(1 / 3, abs=0.01)
    assert rank_payoff(1.0, []) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("arms", "settings", "field"),
    [
        ((), {}, "arms"),
        (("a", "a"), {}, "arms"),
        (("a", "b"), {"floor": 0.6}, "floor"),
        (("a",), {"discount": 0.0}, "discount"),
    ],
)
def test_nonsense_is_refused(arms, settings, field):
    with pytest.raises(InvalidValueError, match=field):
        choose([], arms, stream(0), **settings)
