"""What a provider of a language model is, and how one fails.

::

    ModelError                    one attempt failed; carries what came and what it used, if known
    ├── RateLimitedError          429; says how long to wait, if the server said so
    ├── ServerFailureError        5xx
    ├── UnreachableError          nothing listens there, or the name does not resolve
    ├── TimedOutError             no complete answer within the time limit
    ├── TruncatedError            the connection broke off, or the answer reached max_tokens
    ├── TooLargeError             the server sent more than a response may hold
    ├── MalformedError            no answer in it, or one that does not fit the schema
    ├── RefusedError              the server refuses the request (4xx), or the model refuses to answer
    └── LeftAloneError            it was not asked, because it has failed too often in a row
    BudgetSpentError              the next call could exceed a spending cap; nothing was sent
    NoRecordedAnswerError         a replay was asked for what its ledger does not hold
    ProviderUnavailableError      a provider cannot run on this machine; says what to do about it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from agents.llm.prices import Price
from neuramosaic.canonical import content_id
from neuramosaic.errors import NeuraMosaicError


@dataclass(frozen=True)
class Message:
    """A message of a conversation.

    Attributes:
        role: system, user or assistant.
        content: Its text.
    """

    role: str
    content: str

    def to_json(self) -> dict[str, str]:
        """Return it as providers and the ledger take it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Usage:
    """Tokens of one attempt, as the server counted them."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Request:
    """What is asked, apart from who is asked.

    Attributes:
        purpose: What it is for, in a word or two.
        prompt: Name of the prompt.
        prompt_version: Its version.
        messages: The conversation so far; grows when an attempt is corrected.
        schema: JSON schema of the answer.
        max_tokens: The most tokens that an answer may have.
        temperature: Sampling temperature, or None for the model's own.
        place: Where in a study it is asked (number of the trial, count of the same request, sample): what tells equal
            requests apart.
    """

    purpose: str
    prompt: str
    prompt_version: str
    messages: tuple[Message, ...]
    schema: Mapping[str, Any]
    max_tokens: int
    temperature: float | None = None
    place: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """All but the texts, as JSON."""
        return {
            "schema": dict(self.schema),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "place": dict(self.place),
        }

    @property
    def id(self) -> str:
        """Content id: the same wherever the same is asked at the same place of a study, whoever answers."""
        return content_id(
            {
                "purpose": self.purpose,
                "prompt": self.prompt,
                "prompt_version": self.prompt_version,
                "messages": [message.to_json() for message in self.messages],
                "parameters": self.parameters,
            }
        )


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: The answer.
        usage: Tokens, or None if the server did not say.
    """

    text: str
    usage: Usage | None = None


#: Requests at once: a model on this machine's processors is as quick with one after the other, a server is not.
LOCAL_SLOTS, REMOTE_SLOTS = 1, 4


class Provider(Protocol):
    """Answers requests, one attempt each: no retries, no ledger."""

    @property
    def name(self) -> str:
        """Which provider it is."""

    @property
    def model(self) -> str:
        """Which model answers."""

    @property
    def slots(self) -> int:
        """How many requests it serves well at once."""

    @property
    def price(self) -> Price | None:
        """What its tokens cost, or None if that is not known."""

    def complete(self, request: Request, request_id: str) -> Answer:
        """Make one attempt. It ends within the provider's time limit, whatever the server does.

        Args:
            request: What to ask; its messages may hold corrections of earlier attempts.
            request_id: Id of the request as first asked.

        Raises:
            ModelError: If there is no usable answer.
            NoRecordedAnswerError: If a replay holds none.
        """

    def close(self) -> None:
        """Release what it holds. It answers nothing afterwards."""


class ModelError(NeuraMosaicError):
    """An attempt failed.

    Attributes:
        kind: The word for it in the ledger.
        retry: Whether another attempt may help; a replay says that it does not.
        worked: Whether the model may have worked for it, so that it may be charged.
        answer: What came of an answer, or None.
        usage: Tokens, or None if the server did not say.
    """

    kind: ClassVar[str]
    retry: bool = True
    worked: ClassVar[bool] = False

    def __init__(self, message: str, *, answer: str | None = None, usage: Usage | None = None) -> None:
        self.answer, self.usage = answer, usage
        super().__init__(message)


class RateLimitedError(ModelError):
    """The server asks for patience.

    Attributes:
        retry_after_s: Seconds that it asks to wait, or None.
    """

    kind = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ServerFailureError(ModelError):
    """The server failed.

    Attributes:
        status: HTTP status, 500 or more.
    """

    kind = "server_error"

    def __init__(self, message: str, *, status: int = 500) -> None:
        self.status = status
        super().__init__(message)


class UnreachableError(ModelError, ConnectionError):
    """There is no connection to the server."""

    kind = "unreachable"


class TimedOutError(ModelError, TimeoutError):
    """No complete answer came within the time limit."""

    kind, worked = "timeout", True


class TruncatedError(ModelError):
    """The answer is not complete."""

    kind, worked = "truncated", True


class TooLargeError(ModelError):
    """The response is larger than a response may be; the rest of it was not read."""

    kind, worked = "too_large", True


class MalformedError(ModelError):
    """There is no answer in the response, or not one that fits the schema."""

    kind, worked = "malformed", True


class RefusedError(ModelError):
    """The server refuses the request, or the model refuses to answer. Asking again does not help."""

    kind, retry = "refused", False


class LeftAloneError(ModelError):
    """The model has failed so often in a row that it is not asked for a while: nothing was sent."""

    kind, retry = "left_alone", False


class BudgetSpentError(NeuraMosaicError):
    """The next call could exceed a spending cap; nothing was sent.

    Attributes:
        kind: The word for it in the ledger.
        unit: "tokens" or "USD".
        cap: The cap.
        spent: What is counted against it so far, with the calls that are under way.
        needed: The most that the call could have used.
    """

    kind: ClassVar[str] = "budget_spent"

    def __init__(self, unit: str, *, cap: float, spent: float, needed: float) -> None:
        self.unit, self.cap, self.spent, self.needed = unit, cap, spent, needed
        super().__init__(
            f"the language model's cap of {cap:g} {unit} is reached: {spent:.6g} are spent, and the next call could use"
            f" up to {needed:.6g}"
        )

    def to_json(self) -> dict[str, str | float]:
        """Return it as the ledger keeps it: what makes the same error again."""
        return {"unit": self.unit, "cap": self.cap, "spent": self.spent, "needed": self.needed}


class NoRecordedAnswerError(NeuraMosaicError):
    """A replay was asked for what its ledger does not hold.

    Attributes:
        prompt: Name of the prompt.
        purpose: What the answer was for.
    """

    def __init__(self, prompt: str, purpose: str, where: str) -> None:
        self.prompt, self.purpose = prompt, purpose
        super().__init__(
            f"{where} holds no answer to prompt {prompt!r} for {purpose!r}: a replay repeats a run with the same"
            " configuration and prompts, and asks nothing new"
        )


class ProviderUnavailableError(NeuraMosaicError):
    """A provider cannot run on this machine.

    Attributes:
        provider: Its name.
        problem: Why it cannot.
        remedy: What a person can do about it.
    """

    def __init__(self, provider: str, problem: str, remedy: str) -> None:
        self.provider, self.problem, self.remedy = provider, problem, remedy
        super().__init__(f"language model {provider!r} is not available: {problem}: {remedy}")


#: The kinds of failure, by the word for them in the ledger.
ERRORS: Mapping[str, type[ModelError]] = {
    error.kind: error
    for error in (
        RateLimitedError,
        ServerFailureError,
        UnreachableError,
        TimedOutError,
        TruncatedError,
        TooLargeError,
        MalformedError,
        RefusedError,
        LeftAloneError,
    )
}
