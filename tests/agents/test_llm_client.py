"""The client: nothing is paid for twice, a replay repeats, a cap holds before the call, a cost is known or null."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from agents.llm.base import (
    Answer,
    BudgetSpentError,
    MalformedError,
    ModelError,
    NoRecordedAnswerError,
    RefusedError,
    ServerFailureError,
    TooLargeError,
    TruncatedError,
    Usage,
)
from agents.llm.budget import Budget
from agents.llm.client import LanguageModel
from agents.llm.openai import OpenAIProvider
from agents.llm.prices import PRICES, SNAPSHOT, Price, price_of
from agents.llm.replay import ReplayProvider
from agents.llm.scripted import ScriptedProvider
from neuramosaic.errors import InvalidValueError, UnknownNameError
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store
from prompts import PromptError


class Sum(BaseModel):
    sum: int


class PricedProvider(ScriptedProvider):
    """A script that costs 1 USD a token."""

    price = Price(1e6, 1e6)


QUESTION = {"left": 2, "right": 3}


def ask(model: LanguageModel, **over: Any) -> Sum:
    variables = over.pop("variables", QUESTION)
    return model.ask("connection_test", variables, Sum, **{"purpose": "test", "max_tokens": 50, **over})


def ask_many(model: LanguageModel, samples: int, **over: Any) -> list[int]:
    answers = model.ask_many("connection_test", QUESTION, Sum, purpose="test", samples=samples, max_tokens=50, **over)
    return [answer.sum for answer in answers]


def script(*sums: int) -> ScriptedProvider:
    return ScriptedProvider([f'{{"sum": {each}}}' for each in sums])


@pytest.mark.parametrize(
    ("variables", "named"), [({"left": 1}, "'right' has no value"), ({**QUESTION, "middle": 1}, "'middle'")]
)
def test_wrong_variables_are_named_before_anything_is_sent(
    variables: dict[str, int], named: str, make: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    provider = script(5)
    with pytest.raises(PromptError, match=named):
        ask(make(provider), variables=variables)
    with pytest.raises(UnknownNameError, match="connection_test"):
        make(provider).ask("conection_test", QUESTION, Sum, purpose="test")
    assert provider.requests == []
    assert ledger.calls("recall-1") == []


def test_a_call_is_recorded_with_all_that_made_it(make: Callable[..., LanguageModel], ledger: Ledger) -> None:
    assert ask(make(script(5)), temperature=0.5).sum == 5
    (call,) = ledger.calls("recall-1")
    assert (call.purpose, call.provider, call.model, call.prompt) == ("test", "scripted", "script", "connection_test")
    assert call.prompt_version.startswith("1+")
    assert [message["role"] for message in call.messages] == ["system", "user"]
    assert "2 + 3" in call.messages[1]["content"]
    assert call.parameters["schema"] == Sum.model_json_schema()
    assert (call.parameters["temperature"], call.parameters["max_tokens"]) == (0.5, 50)
    assert (call.answer, call.tokens_out, call.cost_usd, call.prices) == ('{"sum": 5}', 2, 0.0, None)
    assert call.counted_tokens == (call.tokens_in or 0) + 2
    assert call.latency_s >= 0


def test_the_answer_s_schema_goes_to_the_server(model_server: Any, make: Callable[..., LanguageModel]) -> None:
    model_server.behaviours = [model_server.says('{"sum": 5}')]
    ask(make(OpenAIProvider("m", base_url=model_server.url)), temperature=0.25)
    (request,) = model_server.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["response_format"]["json_schema"]["schema"] == Sum.model_json_schema()
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("m", 0.25, 50)


def test_a_resumed_study_pays_for_nothing_twice(make: Callable[..., LanguageModel], ledger: Ledger) -> None:
    first = make(ScriptedProvider(["?", '{"sum": 1}', '{"sum": 2}', '{"sum": 3}']))
    before = [ask(first).sum, ask(first).sum, ask(first, variables={"left": 9, "right": 9}).sum]
    recorded = ledger.calls("recall-1")
    assert before == [1, 2, 3]

    provider = script(4)
    resumed = make(provider)
    assert [ask(resumed).sum, ask(resumed).sum, ask(resumed, variables={"left": 9, "right": 9}).sum] == before
    assert provider.requests == []
    assert ledger.calls("recall-1") == recorded
    assert ask(resumed).sum == 4


def test_a_caller_may_say_which_asking_it_is(make: Callable[..., LanguageModel]) -> None:
    first = make(script(1, 2))
    assert [ask(first).sum, ask(first).sum] == [1, 2]
    assert ask(make(script()), occurrence=1).sum == 2


def test_trials_and_purposes_are_told_apart(make: Callable[..., LanguageModel]) -> None:
    provider = script(1, 2, 3)
    assert ask(make(provider)).sum == 1
    assert ask(make(provider), purpose="other").sum == 2
    assert ask(make(provider), temperature=0.1).sum == 3


def test_outside_a_study_every_request_is_asked(make: Callable[..., LanguageModel], ledger: Ledger) -> None:
    provider = script(1, 2)
    assert [ask(make(provider, study=None)).sum, ask(make(provider, study=None)).sum] == [1, 2]
    assert [call.attempt for call in ledger.calls()] == [1, 2]


def test_a_request_whose_attempts_were_cut_short_is_asked_again_after_a_resume(
    make: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    with pytest.raises(MalformedError):
        ask(make(ScriptedProvider(["a", "b"]), attempts=2))
    assert ask(make(script(5), attempts=3)).sum == 5
    assert [call.attempt for call in ledger.calls("recall-1")] == [1, 2, 3]


@pytest.mark.parametrize("failure", [MalformedError, TruncatedError, TooLargeError])
def test_a_request_that_never_had_a_usable_answer_fails_as_then_after_a_resume(
    make: Callable[..., LanguageModel], ledger: Ledger, failure: type[ModelError]
) -> None:
    told = []
    for answers in ([failure("one"), failure("two")], []):
        with pytest.raises(failure) as caught:
            ask(make(ScriptedProvider(answers), attempts=2))
        told.append((str(caught.value), caught.value.answer, caught.value.usage))
    assert told == [("two", None, None)] * 2
    assert len(ledger.calls("recall-1")) == 2


def test_a_server_that_failed_is_asked_again_after_a_resume(make: Callable[..., LanguageModel]) -> None:
    with pytest.raises(ServerFailureError):
        ask(make(ScriptedProvider([ServerFailureError("down")] * 2), attempts=2))
    assert ask(make(script(5), attempts=2)).sum == 5


def test_samples_run_at_once_and_come_back_in_order(make: Callable[..., LanguageModel], model_server: Any) -> None:
    together = threading.Barrier(3, timeout=20)

    def answer(handler: Any) -> None:
        together.wait()  # passes only if three requests are under way
        model_server.says('{"sum": 5}')(handler)

    model_server.behaviours = [answer]
    model = make(OpenAIProvider("m", base_url=model_server.url, slots=3))
    assert ask_many(model, 3) == [5, 5, 5]


def test_samples_that_fail_leave_the_others(make: Callable[..., LanguageModel]) -> None:
    provider = ScriptedProvider(['{"sum": 1}', RefusedError("no"), '{"sum": 3}'])
    assert ask_many(make(provider), 3) == [1, 3]
    with pytest.raises(RefusedError):
        ask_many(make(ScriptedProvider([RefusedError("no")] * 2)), 2, occurrence=7)


def conversation(model: LanguageModel) -> list[Any]:
    """A study's worth of asking: samples, a corrected answer, one that never gets right, a repetition."""
    told: list[Any] = [ask_many(model, 3), ask(model).sum]
    try:
        ask(model, variables={"left": 0, "right": 0})
    except MalformedError as error:
        told.append((str(error), error.answer))
    told.append(ask(model).sum)
    return told


def test_a_replay_repeats_with_the_server_gone(
    make: Callable[..., LanguageModel], model_server: Any, ledger: Ledger, store: Store, waits: list[float]
) -> None:
    says = model_server.says
    answers = [says(text) for text in ('{"sum": 1}', '{"sum": 2}', '{"sum": 3}', "?", '{"sum": 4}', *"abcd")]
    model_server.behaviours = [*answers, says('{"sum": 5}')]
    model = make(OpenAIProvider("m", base_url=model_server.url, slots=1))
    told = conversation(model)
    assert told[0] == [1, 2, 3]
    assert len(told) == 4
    model_server.stop()

    store.create_study("recall", {}, {}, "v")
    replayed = make(ReplayProvider(ledger, "recall-1"), study="recall-2")
    assert conversation(replayed) == told
    assert waits == []
    copies = ledger.calls("recall-2")
    assert {call.provider for call in copies} == {"replay"}
    assert {call.cost_usd for call in copies} == {0.0}
    asked = {call.request for call in ledger.calls("recall-1")}
    assert {call.request for call in copies} == asked


def test_a_replay_of_what_was_never_asked_names_prompt_and_purpose(
    make: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    with pytest.raises(NoRecordedAnswerError, match="recall-1 holds no answer to prompt 'connection_test' for 'test'"):
        ask(make(ReplayProvider(ledger, "recall-1")))
    assert ledger.calls("recall-1") == []


def test_a_cap_on_tokens_holds_before_the_call(make: Callable[..., LanguageModel], ledger: Ledger) -> None:
    provider = ScriptedProvider([Answer('{"sum": 1}', Usage(800, 100)), Answer('{"sum": 2}', Usage(800, 100))])
    model = make(provider, budget=Budget(max_tokens=1000))
    assert ask(model).sum == 1
    with pytest.raises(BudgetSpentError, match="cap of 1000 tokens") as caught:
        ask(model)
    assert (caught.value.unit, caught.value.spent) == ("tokens", 900)
    assert caught.value.needed > 100
    assert len(provider.requests) == 1
    assert ledger.spent("recall-1").tokens == 900


def test_a_cap_in_usd_goes_on_after_a_resume(make: Callable[..., LanguageModel], ledger: Ledger) -> None:
    provider = PricedProvider([Answer('{"sum": 1}', Usage(800, 100))])
    assert ask(make(provider, budget=Budget(max_usd=1000))).sum == 1
    (call,) = ledger.calls("recall-1")
    assert (call.cost_usd, call.prices) == (900.0, SNAPSHOT)
    resumed = make(PricedProvider([]), budget=Budget(max_usd=1000, spent=ledger.spent("recall-1")))
    assert ask(resumed).sum == 1
    with pytest.raises(BudgetSpentError, match=r"cap of 1000 USD is reached: 900 are spent"):
        ask(resumed)


def test_calls_under_way_count_against_the_cap() -> None:
    budget = Budget(max_tokens=100)
    with budget.reserve(60, None) as held:
        with (
            pytest.raises(BudgetSpentError, match="60 are spent, and the next call could use up to 60"),
            budget.reserve(60, None),
        ):
            pytest.fail("it does not fit")
        held.tokens = 30
    with budget.reserve(60, None):
        assert budget.tokens == 90
    assert budget.tokens == 90


def test_what_a_server_did_not_count_is_counted_as_the_most_it_can_be(
    make: Callable[..., LanguageModel], ledger: Ledger
) -> None:
    ask(make(PricedProvider([Answer('{"sum": 1}')])))
    (call,) = ledger.calls("recall-1")
    assert (call.tokens_in, call.cost_usd) == (None, None)
    assert call.counted_tokens > 50
    assert call.counted_usd == call.counted_tokens


def test_a_model_without_a_known_price_has_no_cost_and_takes_no_cap_in_usd(
    make: Callable[..., LanguageModel], model_server: Any, ledger: Ledger
) -> None:
    model_server.behaviours = [model_server.says('{"sum": 5}')]
    provider = OpenAIProvider("gpt-5-mini", base_url=model_server.url)
    ask(make(provider))
    (call,) = ledger.calls("recall-1")
    assert (call.tokens_in, call.tokens_out, call.cost_usd, call.prices) == (20, 7, None, None)
    assert ledger.spent("recall-1").unpriced == 1
    with pytest.raises(InvalidValueError, match="the price of 'gpt-5-mini' is not known"):
        make(provider, budget=Budget(max_usd=1))
    assert make(provider, budget=Budget(max_tokens=1)) is not None


def test_openai_itself_has_prices(key: str) -> None:
    assert OpenAIProvider("gpt-5-mini", base_url="https://api.openai.com/v1/").price == PRICES["gpt-5-mini"]
    assert OpenAIProvider("gpt-99", base_url="https://api.openai.com/v1").price is None
    assert price_of("gpt-5-mini-2") is None
    assert PRICES["gpt-5-mini"].cost_usd(2_000_000, 1_000_000) == pytest.approx(2 * 0.25 + 2.0)


@pytest.mark.parametrize("caps", [{"max_tokens": 0}, {"max_usd": -1.0}, {"max_usd": float("nan")}])
def test_a_cap_has_to_be_positive(caps: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(caps))):
        Budget(**caps)


def test_a_trial_s_calls_are_found_by_trial(
    make: Callable[..., LanguageModel], ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    from neuramosaic.space.architecture import Architecture, Block, Choice

    block = Block(Choice("attention"), Choice("mlp"), Choice("rms_norm"))
    design = Architecture(16, 2, (block,), Choice("rope"), Choice("pre"), {})
    facts: Any = {"source": "llm", "params": 1, "seed": 0, "rung": 0, "fidelity_tokens": 1, "corpus": "c", "asked": 0}
    for study in ("recall-1", store.create_study("recall", {}, {}, "v").id):
        store.add_trial(study, 0, design, **facts)
    ask(make(script(5)), trial="recall-1.0")
    assert len(ledger.calls("recall-1", trial="recall-1.0")) == 1
    replayed = make(ReplayProvider(ledger, "recall-1"), study="recall-2", rng=np.random.default_rng(1))
    assert ask(replayed, trial="recall-2.0").sum == 5
