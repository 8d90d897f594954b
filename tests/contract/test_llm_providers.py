"""What every provider of a language model must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from agents.llm.base import ERRORS, Answer, Message, Provider, RefusedError, Request
from agents.llm.client import LanguageModel
from agents.llm.openai import OpenAIProvider
from agents.llm.replay import ReplayProvider
from agents.llm.scripted import ScriptedProvider
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store


class Sum(BaseModel):
    sum: int


TEXT = '{"sum": 5}'
QUESTION = {"left": 2, "right": 3}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Store.open(tmp_path) as store:
        for _ in range(2):
            store.create_study("recall", {}, {}, "v")
        yield Ledger(store)


def client(provider: Provider, ledger: Ledger, study: str) -> LanguageModel:
    return LanguageModel(provider, ledger, study=study, rng=np.random.default_rng(0), sleep=lambda _: None)


def ask(model: LanguageModel) -> Sum:
    return model.ask("connection_test", QUESTION, Sum, purpose="test", max_tokens=50)


@pytest.fixture(params=["scripted", "openai", "replay"])
def make(request: pytest.FixtureRequest, model_server: Any, ledger: Ledger) -> Callable[[bool], Provider]:
    """Make a provider that answers, or one whose model refuses."""

    def provider(refuses: bool = False) -> Provider:
        refusal = RefusedError("the model refuses: no")
        if request.param == "openai":
            model_server.behaviours = [model_server.says(None if refuses else TEXT, refusal="no" if refuses else None)]
            return OpenAIProvider("m", base_url=model_server.url, timeout_s=20)
        scripted = ScriptedProvider(lambda _: refusal if refuses else TEXT)
        if request.param == "scripted":
            return scripted
        try:
            ask(client(scripted, ledger, "recall-1"))
        except RefusedError:
            pass
        return ReplayProvider(ledger, "recall-1")

    return provider


def test_it_says_who_it_is(make: Callable[..., Provider]) -> None:
    provider = make()
    assert provider.name
    assert provider.model
    assert provider.slots >= 1
    assert provider.price is None or provider.price.tokens_in >= 0


def test_it_answers_through_the_client(make: Callable[..., Provider], ledger: Ledger) -> None:
    provider = make()
    assert ask(client(provider, ledger, "recall-2")).sum == 5
    (call,) = ledger.calls("recall-2")
    assert (call.provider, call.model, call.outcome, call.answer) == (provider.name, provider.model, "ok", TEXT)
    assert call.tokens_in
    assert call.tokens_out


def test_one_attempt_answers_with_text_and_usage(make: Callable[..., Provider], ledger: Ledger) -> None:
    provider = make()
    ask(client(provider, ledger, "recall-2"))
    (call,) = ledger.calls("recall-2")
    messages = tuple(Message(**message) for message in call.messages)
    request = Request("test", call.prompt, call.prompt_version, messages, call.parameters["schema"], 50)
    answer = provider.complete(request, call.request)
    assert isinstance(answer, Answer)
    assert answer.text == TEXT
    assert answer.usage is not None


def test_a_failure_is_a_typed_error_that_the_ledger_has(make: Callable[..., Provider], ledger: Ledger) -> None:
    with pytest.raises(RefusedError, match="refuses: no"):
        ask(client(make(True), ledger, "recall-2"))
    (call,) = ledger.calls("recall-2")
    assert (call.outcome, call.answer) == ("refused", None)
    assert ERRORS[call.outcome] is RefusedError


def test_it_closes_more_than_once(make: Callable[..., Provider]) -> None:
    provider = make()
    provider.close()
    provider.close()
