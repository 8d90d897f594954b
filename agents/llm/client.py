"""The one way to ask a language model: a prompt in, a validated answer out, every attempt in the ledger."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from agents.llm.base import (
    Answer,
    BudgetSpentError,
    LeftAloneError,
    MalformedError,
    Message,
    ModelError,
    Provider,
    RateLimitedError,
    Request,
    TooLargeError,
    TruncatedError,
    Usage,
)
from agents.llm.budget import Budget, Reservation, check_priced
from agents.llm.keys import redact
from agents.llm.patience import Patience
from agents.llm.prices import FREE, SNAPSHOT, Price
from agents.llm.replay import recorded_failure
from neuramosaic.canonical import canonical_json
from neuramosaic.store.ledger import OK, Call, Ledger
from prompts import load_prompt

T = TypeVar("T", bound=BaseModel)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
#: The longest that a server's Retry-After is obeyed.
LONGEST_RETRY_AFTER_S = 60.0
_MESSAGE_OVERHEAD = 16  # tokens that a chat template may put around a message
_SHOWN = 6000  # characters of a wrong answer that are shown to the model again
_NOT_SENT = {LeftAloneError.kind, BudgetSpentError.kind}
_NO_USE = {MalformedError.kind, TruncatedError.kind, TooLargeError.kind}
_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)


class LanguageModel:
    """Asks a provider, with retries, a budget and a ledger. Safe to use from several threads.

    Args:
        provider: Who answers; closing it is left to whoever made it.
        ledger: Where every attempt is recorded.
        study: The study that it works for: a request that its ledger has answered, or has seen fail in every
            attempt for want of a usable answer, is not asked again. None: every request is asked.
        budget: The caps; none by default.
        rng: Source of the jitter between attempts.
        attempts: The most attempts for a request.
        patience: When the model is left alone; by default it is always asked.
        sleep: How to wait.

    Raises:
        InvalidValueError: If there is a cap in USD and the model's price is not known.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        *,
        rng: np.random.Generator,
        study: str | None = None,
        budget: Budget | None = None,
        attempts: int = 4,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self.budget = budget or Budget()
        check_priced(provider.model, provider.price, self.budget.max_usd)
        self._ledger, self._study = ledger, study
        self._rng, self._attempts, self._sleep = rng, attempts, sleep
        self._patience = patience
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def ask(
        self,
        prompt: str,
        variables: Mapping[str, object],
        schema: type[T],
        *,
        purpose: str,
        trial: str | None = None,
        occurrence: int | None = None,
        temperature: float | None = None,
        max_tokens: int = 1024,
    ) -> T:
        """Ask for one answer.

        Args:
            prompt: Name of the prompt.
            variables: A value for each of its variables.
            schema: What the answer has to be; its JSON schema is sent along.
            purpose: What it is for, in a word or two.
            trial: The trial that it is for.
            occurrence: Which asking of this same request for this trial it is. By default they are counted from 0 in
                this object; a caller that a resumed study enters in the middle has to say.
            temperature: Sampling temperature, or None for the model's own.
            max_tokens: The most tokens of the answer.

        Returns:
            The answer, valid.

        Raises:
            PromptError: If a variable is missing or not declared; nothing was sent.
            BudgetSpentError: If the call could exceed a cap; nothing was sent.
            ModelError: If no attempt brought a valid answer: the error of the last one.
        """
        (answer,) = self.ask_many(
            prompt,
            variables,
            schema,
            purpose=purpose,
            samples=1,
            trial=trial,
            occurrence=occurrence,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        return answer

    def ask_many(
        self,
        prompt: str,
        variables: Mapping[str, object],
        schema: type[T],
        *,
        purpose: str,
        samples: int,
        trial: str | None = None,
        occurrence: int | None = None,
        temperature: float | None = None,
        max_tokens: int = 1024,
    ) -> list[T]:
        """Ask for several answers, as many at once as the provider has slots.

        Args:
            prompt: Name of the prompt.
            variables: A value for each of its variables.
            schema: What each answer has to be.
            purpose: What they are for, in a word or two.
            samples: How many, at least 1.
            trial: The trial that they are for.
            occurrence: As for `ask`.
            temperature: Sampling temperature, or None for the model's own.
            max_tokens: The most tokens of each answer.

        Returns:
            The valid answers in the order of the samples: fewer than asked for if some failed, at least one.

        Raises:
            PromptError: If a variable is missing or not declared; nothing was sent.
            BudgetSpentError: If there is no valid answer, and the first sample could exceed a cap.
            ModelError: If there is no valid answer: the error of the first sample.
        """
        loaded = load_prompt(prompt)
        request = Request(
            purpose=purpose,
            prompt=loaded.name,
            prompt_version=loaded.version,
            messages=tuple(Message(role, redact(text)) for role, text in loaded.render(variables)),
            schema=schema.model_json_schema(),
            max_tokens=max_tokens,
            temperature=temperature,
            place={"trial": trial.rpartition(".")[2] if trial else None},
        )
        if occurrence is None:
            with self._lock:
                occurrence = self._asked[request.id]
                self._asked[request.id] += 1
        places = [{**request.place, "occurrence": occurrence, "sample": sample} for sample in range(samples)]
        requests = [replace(request, place=place) for place in places]
        answers: list[T] = []
        failures: list[ModelError | BudgetSpentError] = []
        with ThreadPoolExecutor(max_workers=max(1, min(samples, self.provider.slots))) as pool:
            for pending in [pool.submit(self._answer, each, schema, trial) for each in requests]:
                try:
                    answers.append(pending.result())
                except (ModelError, BudgetSpentError) as error:
                    failures.append(error)
        if not answers:
            raise failures[0]
        return answers

    def used(self, trial: str, prompts: Collection[str] | None = None) -> Usage:
        """Return the tokens of the requests for a trial: of the last attempt of each, as a replay sees them too.

        Args:
            trial: The trial or writing that they were for.
            prompts: Names of the prompts that count; by default all.
        """
        calls = self._ledger.calls(self._study, trial=trial)
        last = {call.request: call for call in calls if prompts is None or call.prompt in prompts}
        return Usage(
            sum(call.tokens_in or 0 for call in last.values()), sum(call.tokens_out or 0 for call in last.values())
        )

    def _answer(self, request: Request, schema: type[T], trial: str | None) -> T:
        """Answer one request: from the ledger, or with as many attempts as it takes and are allowed."""
        request_id = request.id
        if self._study is not None:
            known = self._ledger.answered(self._study, request_id)
            if known is not None:
                return _read(Answer(known.answer or ""), schema)
        calls = self._ledger.calls(self._study, request=request_id)
        if self._study is not None and self._in_vain(calls):
            raise recorded_failure(calls[-1])
        before = len(calls)
        current = request
        for attempt in range(self._attempts):
            try:
                return self._attempt(current, request_id, before + attempt + 1, schema, trial)
            except ModelError as error:
                if not error.retry or attempt + 1 == self._attempts:
                    raise
                if error.answer:
                    current = replace(request, messages=(*request.messages, *_correction(error)))
                else:
                    self._sleep(self._wait_s(attempt, error))
        raise AssertionError("attempts is at least 1")

    def _in_vain(self, calls: Sequence[Call]) -> bool:
        """Whether all attempts at a request were made, and what came was no use; a server's trouble may pass."""
        sent = [call for call in calls if call.outcome not in _NOT_SENT]
        return bool(sent) and sent[-1] is calls[-1] and len(sent) >= self._attempts and sent[-1].outcome in _NO_USE

    def _attempt(self, request: Request, request_id: str, number: int, schema: type[T], trial: str | None) -> T:
        """Make one attempt, and record it; also one that may not be made.

        Raises:
            BudgetSpentError: Before anything is sent.
            ModelError: If it failed.
        """

        def record(outcome: str, **known: Any) -> None:
            self._ledger.record(
                Call(
                    **{
                        "request": request_id,
                        "attempt": number,
                        "purpose": request.purpose,
                        "provider": self.provider.name,
                        "model": self.provider.model,
                        "prompt": request.prompt,
                        "prompt_version": request.prompt_version,
                        "messages": tuple(message.to_json() for message in request.messages),
                        "parameters": request.parameters,
                        "outcome": outcome,
                        "answer": None,
                        "latency_s": 0.0,
                        "counted_usd": 0.0,
                        "study": self._study,
                        "trial": trial,
                        **known,
                    }
                )
            )

        bound = Usage(_most_tokens_in(request), request.max_tokens)
        price = self.provider.price
        usd = price.cost_usd(bound.tokens_in, bound.tokens_out) if price else None
        try:
            if self._patience is not None:
                self._patience.admit()
            with self.budget.reserve(bound.tokens_in + bound.tokens_out, usd) as held:
                return self._exchange(request, request_id, schema, held, record)
        except LeftAloneError as error:
            record(error.kind, message=str(error))
            raise
        except BudgetSpentError as error:
            record(error.kind, message=str(error), parameters={**request.parameters, "cap": error.to_json()})
            raise

    def _exchange(
        self, request: Request, request_id: str, schema: type[T], held: Reservation, record: Callable[..., None]
    ) -> T:
        """Send a request, read what comes, and record it.

        Raises:
            ModelError: If there is no valid answer.
        """
        price = self.provider.price
        begin = time.perf_counter()
        failure: ModelError | None = None
        text: str | None
        try:
            answer = self.provider.complete(request, request_id)
            answer = replace(answer, text=redact(answer.text))
            text, usage = answer.text, answer.usage
            value = _read(answer, schema)
        except LeftAloneError:
            raise  # a replay: recorded as what it was
        except ModelError as error:
            failure, text, usage = error, error.answer, error.usage
        latency_s = time.perf_counter() - begin
        cost_usd = _account(held, price, usage, worked=failure is None or failure.worked)
        record(
            failure.kind if failure else OK,
            answer=text if text is None else redact(text),
            message=redact(str(failure)) if failure else "",
            tokens_in=usage.tokens_in if usage else None,
            tokens_out=usage.tokens_out if usage else None,
            latency_s=latency_s,
            cost_usd=cost_usd,
            prices=SNAPSHOT if price not in (None, FREE) else None,
            counted_tokens=held.tokens,
            counted_usd=held.usd,
        )
        if failure is not None:
            if self._patience is not None:
                self._patience.failed(failure)
            raise failure
        if self._patience is not None:
            self._patience.succeeded()
        return value

    def _wait_s(self, attempt: int, error: ModelError) -> float:
        """Return the seconds to wait after a failed attempt: twice as long each time, less a random part."""
        with self._lock:
            jitter = float(self._rng.uniform(0.5, 1.0))
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * jitter
        asked = error.retry_after_s if isinstance(error, RateLimitedError) else None
        return float(max(wait, min(asked or 0.0, LONGEST_RETRY_AFTER_S)))


def _account(held: Reservation, price: Price | None, usage: Usage | None, *, worked: bool) -> float | None:
    """Set a reservation to what a call counts; return its cost in USD, or None if it is not known."""
    if usage is not None:
        held.tokens = usage.tokens_in + usage.tokens_out
        held.usd = price.cost_usd(usage.tokens_in, usage.tokens_out) if price else None
    elif not worked:
        held.tokens, held.usd = 0, 0.0
    elif price is not FREE:  # what it did use is not known; what it could have used stays counted
        return None
    return held.usd


def _read(answer: Answer, schema: type[T]) -> T:
    """Return the answer as what it has to be.

    Raises:
        MalformedError: If it is no JSON, or does not fit; names the fields.
    """
    fenced = _FENCED.match(answer.text)
    try:
        return schema.model_validate_json(fenced[1] if fenced else answer.text)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise MalformedError("; ".join(problems), answer=answer.text, usage=answer.usage) from None


def _correction(error: ModelError) -> tuple[Message, ...]:
    """Return the messages that show a model its wrong answer and say what is wrong with it."""
    rendered = load_prompt("correction").render({"problem": redact(str(error))})
    shown = redact(error.answer or "")[:_SHOWN]
    return (Message("assistant", shown), *(Message(role, text) for role, text in rendered))


def _most_tokens_in(request: Request) -> int:
    """Return a bound on a request's tokens: a token stands for one byte at least."""
    texts = sum(len(message.content.encode()) + _MESSAGE_OVERHEAD for message in request.messages)
    return texts + len(canonical_json(request.schema))
