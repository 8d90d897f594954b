"""HTTP to a server that may do anything: a response is read up to a limit, judged, and only then handed on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import BaseModel, ValidationError

from agents.llm.base import (
    MalformedError,
    RateLimitedError,
    RefusedError,
    ServerFailureError,
    TooLargeError,
    TruncatedError,
    Usage,
)
from agents.llm.keys import redact

_QUOTED = 300  # characters of what a server said that an error shows


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


class CheckedTransport(httpx.AsyncBaseTransport):
    """Passes on only responses that hold a complete answer; anything else is a `ModelError`.

    Args:
        base_url: The server's address: decides which proxy of the environment applies.
        max_bytes: The most bytes that a response may hold, decompressed.
        inner: What carries the requests; HTTP by default.
    """

    def __init__(self, base_url: str, max_bytes: int, *, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport(proxy=_proxy(base_url))
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the response, read and checked.

        Raises:
            ModelError: If the server refuses or fails, or what it sends is too much or no complete answer.
        """
        response = await self._inner.handle_async_request(request)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_bytes:
                    raise TooLargeError(f"the server sent more than {self._max_bytes:,} bytes")
        finally:
            await response.aclose()
        text = redact(body.decode("utf-8", errors="replace"))
        _check_status(response.status_code, response.headers, text)
        _check_completion(text)
        return httpx.Response(response.status_code, headers={"content-type": "application/json"}, text=text)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _check_status(status: int, headers: Mapping[str, str], text: str) -> None:
    """Raise what a status that is not 200 means."""
    said = f"the server answers {status}: {_quote(_error_message(text))}"
    if status == 429:
        raise RateLimitedError(said, retry_after_s=_seconds(headers.get("retry-after")))
    if status >= 500:
        raise ServerFailureError(said, status=status)
    if status != 200:
        raise RefusedError(said)


def _check_completion(text: str) -> None:
    """Raise what is wrong with the body of a 200.

    Raises:
        MalformedError: If it is no completion, or an empty one.
        TruncatedError: If the answer reached its limit of tokens.
        RefusedError: If the model refuses.
    """
    try:
        completion = _Completion.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the body"
        raise MalformedError(
            f"the server's response is no chat completion ({where}: {error.errors()[0]['msg']}): {_quote(text)}"
        ) from None
    counted = completion.usage
    usage = Usage(counted.prompt_tokens, counted.completion_tokens) if counted else None
    if not completion.choices:
        raise MalformedError("the server's response holds no answer", usage=usage)
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        said = choice.message.refusal or "the answer was filtered"
        raise RefusedError(f"the model refuses: {_quote(said)}", answer=choice.message.content, usage=usage)
    if choice.finish_reason == "length":
        raise TruncatedError("the answer reached max_tokens", answer=choice.message.content, usage=usage)
    if not (choice.message.content or "").strip():
        raise MalformedError("the answer is empty", answer=choice.message.content, usage=usage)


def _error_message(text: str) -> str:
    """Return what an error's body says: the message of OpenAI's form, else all of it."""
    try:
        found: Any = json.loads(text)["error"]
        return str(found["message"] if isinstance(found, dict) else found)
    except (ValueError, LookupError, TypeError, RecursionError):
        return text


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None if there are none (the other form, a date, is not used here)."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else line[:_QUOTED] + " ..."


def _proxy(base_url: str) -> str | None:
    """Return the proxy that the environment names for an address, or None."""
    parts = urlsplit(base_url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
