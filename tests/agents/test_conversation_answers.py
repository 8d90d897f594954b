"""Answers from what the store holds, without a language model."""

from __future__ import annotations

import numpy as np

from agents.conversation import answering
from agents.conversation.answers import Answer
from knowledge.papers import Hit, Passage
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState

UNIT = "nats per token"


def _trial(number: int, loss: float | None, *components: str, **outcome: object) -> TrialRecord:
    state = TrialState.COMPLETE if loss is not None else TrialState.FAILED
    told = TrialOutcome(state, {} if loss is None else {"val_loss": loss}, **outcome)  # type: ignore[arg-type]
    return TrialRecord(
        id=f"recall-1.{number}",
        study="recall-1",
        number=number,
        state=state,
        architecture={},
        architecture_id=f"sha256:{number}",
        source="baseline" if number == 0 else "random",
        label=f"design {number}",
        components=components,
        params=30_000,
        seed=0,
        rung=0,
        fidelity_tokens=4096,
        parent=None,
        corpus="sha256:feed",
        commit=None,
        created="2026-01-01T00:00:00+00:00",
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:00+00:00",
        attempts=1,
        finish_order=number + 1,
        outcome=told,
    )


def _text(answer: Answer) -> str:
    assert Answer.from_json(answer.to_json()) == answer
    return "\n".join(answer.lines)


def test_why_names_the_check_and_its_message() -> None:
    check = {"name": "causal", "passed": False, "message": "position 3 sees\x1b[31m position 9", "seconds": 1.0}
    failed = _trial(2, None, "mixer:ssm", reason="verification: causal", verification=(check,))
    answer = answering.why(failed)
    assert "Trial 2 failed: verification: causal" in _text(answer)
    assert "The check 'causal' failed: position 3 sees position 9" in _text(answer)
    assert [(link.kind, link.target) for link in answer.links] == [("trial", "recall-1.2")]
    assert "has not failed: it is complete with a val loss of 2.1000" in _text(answering.why(_trial(3, 2.1)))


def test_failures_lists_the_newest_first() -> None:
    trials = [_trial(number, None, reason=f"reason {number}") for number in (1, 2)]
    (table,) = answering.failures(trials).tables
    assert [row[0] for row in table.rows] == ["#2", "#1"]
    assert _text(answering.failures([_trial(1, 2.0)])) == "No trial has failed."


def test_effects_have_intervals_and_a_verdict() -> None:
    trials = [_trial(number, 2.0 + 0.001 * number, "mixer:ssm", "norm:dyt") for number in range(4)]
    trials += [_trial(number, 3.0 + 0.001 * number, "mixer:attention", "norm:dyt") for number in range(4, 8)]
    answer = answering.effects(trials, UNIT, rng=np.random.default_rng(0))
    assert "mixer ssm goes with a lower loss." in _text(answer)
    (table,) = answer.tables
    assert [(row[0], row[3]) for row in table.rows] == [("mixer ssm", "helps"), ("mixer attention", "hurts")]
    assert table.rows[0][1] == -1.004
    assert "to" in table.rows[0][2]
    assert "Not enough trials yet" in _text(answering.effects(trials[:2], UNIT, rng=np.random.default_rng(0)))


def test_the_best_is_told_against_the_baseline() -> None:
    trials = [_trial(0, 2.5), _trial(1, 2.25), _trial(2, 2.75)]
    assert "Best 2.2500 nats per token at 4,096 tokens (trial 1), 0.2500 below the baseline." in _text(
        answering.best(trials, UNIT)
    )
    (table,) = answering.ranking(trials, UNIT).tables
    assert [(row[1], row[4]) for row in table.rows] == [("#1", -0.25), ("#0", 0.0), ("#2", 0.25)]
    assert "there is no best one" in _text(answering.best(trials[:1], UNIT))


def test_passages_are_one_line_each_and_say_where_they_stand() -> None:
    passage = Passage("2312.06635", 0, "2 Gating", 3, "A gate\nforgets.", "text")
    answer = answering.passages("gates", [Hit(passage, "Gated linear attention", 0.5, ("words",))])
    assert "Gated linear attention (2312.06635, page 3): A gate forgets." in _text(answer)
    assert answer.links[0].kind == "passages"


def test_help_lists_every_command() -> None:
    (table,) = answering.help_text().tables
    assert all(meaning for _, meaning in table.rows)
    assert {"/veto SLOT=NAME [SLOT=NAME ...]", "/why [N]"} <= {how for how, _ in table.rows}
