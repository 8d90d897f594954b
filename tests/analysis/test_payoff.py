from dataclasses import replace

import pytest

from neuramosaic.analysis.payoff import CALL_FLOPS, LLM, plays, source_shares
from neuramosaic.search.bandit import Play
from neuramosaic.store.records import TrialOutcome, TrialState


@pytest.fixture
def trials(trial, architectures):
    def made(number, loss, source, flops=1e12, **changes):
        record = trial(number, architectures[number], loss, source=source, **changes)
        return replace(record, outcome=replace(record.outcome, cost_flops=flops)) if record.outcome else record

    return [
        made(0, 3.0, "baseline"),
        made(1, 2.0, "bayes", proposal={"slot": "bayes"}),
        made(2, 4.0, "evolution", proposal={"slot": "evolution"}),
        made(3, 1.0, LLM, proposal={"slot": LLM, "tokens_in": 1000, "tokens_out": 100}),
        made(4, None, "evolution", flops=None, proposal={"slot": "evolution"}),
        made(
            5, None, "mutation", proposal={"slot": "bayes", "refused": "no", "tokens_in": 500}, state=TrialState.RUNNING
        ),
        made(6, 0.5, LLM, rung=1, parent="python-code-1.3"),
    ]


def test_plays_are_the_slots_of_the_first_rung_with_payoff_by_rank_and_cost(trials):
    calls = 1000 * CALL_FLOPS[0] + 100 * CALL_FLOPS[1]
    assert plays(trials) == [
        Play("bayes", (2 / 3) ** 2, 1e12),
        Play("evolution", 0.0, 1e12),
        Play(LLM, 1.0, 1e12 + calls),
        Play("evolution", 0.0, None),
        Play(LLM, 0.0, None),  # refused: the slot fell to bayes
        Play("bayes"),
    ]


def test_a_repeated_function_brings_nothing(trials):
    outcome = TrialOutcome(TrialState.PRUNED, reason="the same function", duplicate_of=trials[1].id)
    pruned = replace(trials[3], state=TrialState.PRUNED, outcome=outcome)
    assert Play(LLM, 0.0, None) in plays([*trials[:3], pruned])


def test_shares(trials):
    by_source = {share.source: share for share in source_shares(trials)}
    assert {name: share.slots for name, share in by_source.items()} == {"bayes": 2, "evolution": 2, LLM: 1}
    assert by_source[LLM].share == pytest.approx(1 / 5)
    assert by_source[LLM].payoff == pytest.approx(0.5)
    assert (by_source["evolution"].best, by_source["evolution"].states) == (4.0, {"COMPLETE": 1, "FAILED": 1})
    assert by_source[LLM].cost > by_source["bayes"].cost
    assert source_shares(trials[:1]) == []
