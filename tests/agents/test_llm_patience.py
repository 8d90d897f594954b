"""A model that fails again and again is left alone for a while; what happened is in the ledger, and is replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from agents.llm.base import (
    BudgetSpentError,
    LeftAloneError,
    MalformedError,
    ModelError,
    ServerFailureError,
    TimedOutError,
)
from agents.llm.budget import Budget
from agents.llm.client import LanguageModel
from agents.llm.patience import FIRST_PAUSE, Patience
from agents.llm.replay import ReplayProvider
from agents.llm.scripted import ScriptedProvider
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

GOOD = '{"sum": 5}'


class Sum(BaseModel):
    sum: int


def ask(model: LanguageModel, left: int = 2) -> Sum:
    return model.ask("connection_test", {"left": left, "right": 3}, Sum, purpose="test", max_tokens=50)


def outcomes(ledger: Ledger, study: str = "recall-1") -> list[str]:
    return [call.outcome for call in ledger.calls(study)]


def test_a_dead_server_is_left_alone_and_tried_again_after_a_while(
    make: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    told: list[str] = []
    provider = ScriptedProvider([ServerFailureError("down")] * 5 + [GOOD] * 2)
    model = make(provider, patience=Patience(told.append))
    with pytest.raises(ServerFailureError):
        ask(model)
    assert told == [f"4 attempts in a row failed: the next {FIRST_PAUSE} requests are not asked; the last one: down"]
    for _ in range(FIRST_PAUSE):
        with pytest.raises(LeftAloneError, match="after 4 failed attempts in a row"):
            ask(model)
    assert len(provider.requests) == 4
    assert outcomes(ledger) == ["server_error"] * 4 + ["left_alone"] * FIRST_PAUSE
    assert ledger.spent("recall-1").tokens == 0
    # One attempt decides: it fails, and the pause is twice as long.
    with pytest.raises(LeftAloneError):
        ask(model)
    assert len(provider.requests) == 5
    assert "5 attempts in a row failed: the next 16 requests" in told[-1]
    for _ in range(2 * FIRST_PAUSE - 1):  # one was used up by the attempt that would have come next
        with pytest.raises(LeftAloneError):
            ask(model)
    assert ask(model).sum == 5
    assert ask(model, 3).sum == 5


def test_a_model_that_talks_nonsense_is_borne_longer(make: Callable[..., LanguageModel]) -> None:
    told: list[str] = []
    provider = ScriptedProvider(lambda request: "as a poet, I prefer not to count")
    model = make(provider, patience=Patience(told.append))
    for _ in range(3):
        with pytest.raises(MalformedError):
            ask(model)
    assert len(provider.requests) == 12
    assert told
    with pytest.raises(LeftAloneError):
        ask(model)


def test_failures_between_answers_are_forgiven(make: Callable[..., LanguageModel]) -> None:
    provider = ScriptedProvider([TimedOutError("slow"), TimedOutError("slow"), TimedOutError("slow"), GOOD] * 3)
    model = make(provider, patience=Patience())
    assert [ask(model, left).sum for left in range(3)] == [5, 5, 5]


@pytest.fixture
def replay(store: Store, ledger: Ledger) -> Callable[..., LanguageModel]:
    """Make a client of a second study that repeats the first."""
    store.create_study("recall", {}, {}, "v")

    def client(**settings: Any) -> LanguageModel:
        return LanguageModel(
            ReplayProvider(ledger, "recall-1"),
            ledger,
            study="recall-2",
            rng=np.random.default_rng(0),
            attempts=1000,
            sleep=lambda seconds: None,
            **settings,
        )

    return client


def test_a_replay_repeats_every_attempt(
    make: Callable[..., LanguageModel], replay: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    model = make(ScriptedProvider([ServerFailureError("x"), "?", GOOD, *[ServerFailureError("y")] * 4]))
    assert ask(model).sum == 5
    with pytest.raises(ServerFailureError):
        ask(model, 7)
    again = replay()
    assert ask(again).sum == 5
    with pytest.raises(ServerFailureError, match="y"):
        ask(again, 7)
    assert outcomes(ledger, "recall-2") == outcomes(ledger)
    before, after = (ledger.calls(study) for study in ("recall-1", "recall-2"))
    assert [call.tokens_in for call in before] == [call.tokens_in for call in after]


def test_a_replay_meets_the_cap_and_the_pause_where_the_study_did(
    make: Callable[..., LanguageModel], replay: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    model = make(ScriptedProvider([ServerFailureError("x")] * 4), patience=Patience())
    for _ in range(2):
        with pytest.raises(ModelError):
            ask(model)
    with pytest.raises(BudgetSpentError) as met:
        ask(make(ScriptedProvider([]), budget=Budget(max_tokens=10)), 9)
    assert outcomes(ledger)[-2:] == ["left_alone", "budget_spent"]
    again = replay()
    for kind in (ServerFailureError, LeftAloneError):
        with pytest.raises(kind):
            ask(again)
    with pytest.raises(BudgetSpentError) as repeated:
        ask(again, 9)
    assert str(repeated.value) == str(met.value)
    assert outcomes(ledger, "recall-2") == outcomes(ledger)


def test_what_was_asked_after_a_higher_cap_is_replayed_as_asked(
    make: Callable[..., LanguageModel], replay: Callable[..., LanguageModel]
) -> None:
    with pytest.raises(BudgetSpentError):
        ask(make(ScriptedProvider([]), budget=Budget(max_tokens=10)))
    assert ask(make(ScriptedProvider([GOOD]), budget=Budget(max_tokens=10_000))).sum == 5
    assert ask(replay()).sum == 5


def test_a_key_in_an_answer_never_reaches_the_caller(make: Callable[..., LanguageModel], key: str) -> None:
    class Word(BaseModel):
        word: str

    provider = ScriptedProvider([f'{{"word": "Bearer {key}"}}'])
    answer = make(provider).ask("connection_test", {"left": 1, "right": 1}, Word, purpose="test")
    assert answer.word == "Bearer [key removed]"
