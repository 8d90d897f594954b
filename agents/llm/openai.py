"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, llama.cpp."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import openai
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agents.llm.base import (
    REMOTE_SLOTS,
    Answer,
    ModelError,
    Request,
    TimedOutError,
    TruncatedError,
    UnreachableError,
    Usage,
)
from agents.llm.keys import KEY_VARIABLE, api_key, redact
from agents.llm.prices import Price, price_of
from agents.llm.transport import CheckedTransport
from neuramosaic.errors import InvalidValueError, UsageError

OPENAI_URL = "https://api.openai.com/v1"
#: The environment variable that names another server.
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_MODEL = "gpt-5-mini"
#: The most bytes of a response: far more than any answer that fits max_tokens.
MAX_RESPONSE_BYTES = 4 << 20


def configured_url() -> str:
    """Return the server that the environment names, or OpenAI's."""
    return os.environ.get(URL_VARIABLE, "").strip() or OPENAI_URL


class OpenAIProvider:
    """Asks an OpenAI-compatible server. The key comes from OPENAI_API_KEY at each call, and is not kept.

    Args:
        model: Name of the model, as the server knows it.
        base_url: Address of the server, up to and including `/v1`; by default what OPENAI_BASE_URL says, or OpenAI's.
        timeout_s: Wall time of an attempt, from connecting to the last byte of the answer.
        slots: How many requests may run at once.
        max_response_bytes: The most bytes of a response.
        key: Where the key comes from.

    Raises:
        InvalidValueError: If the address is none, or would carry the key over the network in the clear.
        UsageError: If OpenAI's own server is meant, and there is no key.
    """

    name = "openai"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        timeout_s: float = 120.0,
        slots: int = REMOTE_SLOTS,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        key: Callable[[], str | None] = api_key,
    ) -> None:
        self.model, self.slots = model, slots
        self.base_url = (base_url or configured_url()).rstrip("/")
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._key = key
        _check_address(self.base_url, keyed=key() is not None)

    @property
    def price(self) -> Price | None:
        """The model's list price if OpenAI itself answers: what another server charges is not known."""
        return price_of(self.model) if self._official else None

    @property
    def _official(self) -> bool:
        return self.base_url == OPENAI_URL

    def complete(self, request: Request, request_id: str) -> Answer:
        """Make one attempt: see `Provider.complete`."""
        # An event loop of its own, because cancelling a coroutine ends a read that a time-out between bytes would not:
        # a server that sends one byte a second never makes a socket time out.
        return asyncio.run(self._complete(request))

    def close(self) -> None:
        """Nothing is held between calls."""

    async def _complete(self, request: Request) -> Answer:
        transport = CheckedTransport(self.base_url, self._max_response_bytes)
        try:
            async with asyncio.timeout(self._timeout_s), httpx.AsyncClient(transport=transport) as client:
                message = await self._chat(request, client)
        except TimeoutError as error:
            raise TimedOutError(f"no complete answer from {self.base_url} within {self._timeout_s:g} s") from error
        except openai.APIConnectionError as error:
            raise self._failure(error) from error
        usage = message.usage_metadata
        return Answer(message.text, usage and Usage(usage["input_tokens"], usage["output_tokens"]))

    async def _chat(self, request: Request, client: httpx.AsyncClient) -> AIMessage:
        # Servers other than OpenAI's may not know the newer name of max_tokens, and would then answer without an end.
        chat = ChatOpenAI(
            model=self.model,
            base_url=self.base_url,
            api_key=SecretStr(self._key() or "none"),
            temperature=request.temperature,
            max_completion_tokens=request.max_tokens if self._official else None,
            extra_body=None if self._official else {"max_tokens": request.max_tokens},
            timeout=self._timeout_s,
            max_retries=0,
            use_responses_api=False,
            cache=False,
            http_async_client=client,
        )
        form = {"name": request.prompt, "schema": dict(request.schema)}
        answer: AIMessage = await chat.ainvoke(
            [(message.role, message.content) for message in request.messages],
            response_format={"type": "json_schema", "json_schema": form},
        )
        return answer

    def _failure(self, error: BaseException) -> ModelError:
        """Return what a failed connection was: below the layers that have wrapped it lies what the transport said."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ModelError | httpx.HTTPError):
            cause = cause.__cause__
        match cause:
            case ModelError():
                return cause
            case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol():
                return UnreachableError(redact(f"cannot reach {self.base_url}: {cause}"))
            case httpx.TimeoutException():
                return TimedOutError(f"no complete answer from {self.base_url} within {self._timeout_s:g} s")
            case _:
                return TruncatedError(redact(f"the connection to {self.base_url} broke off: {cause}"))


def _check_address(base_url: str, *, keyed: bool) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password or parts.query:
        expected = f"an address such as {OPENAI_URL}, without a password or anything after a '?'"
        raise InvalidValueError("base_url", redact(base_url), expected)
    if base_url == OPENAI_URL and not keyed:
        raise UsageError(f"{KEY_VARIABLE} is not set: set it to your key, or name another server with --base-url")
    if parts.scheme == "http" and keyed and not _loopback(parts.hostname):
        raise InvalidValueError(
            "base_url", base_url, f"https, since http would send the key of {KEY_VARIABLE} in the clear (or unset it)"
        )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
