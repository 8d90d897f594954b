"""A model whose answers are known beforehand: for tests, and for trying a prompt's plumbing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from agents.llm.base import Answer, Request, Usage
from agents.llm.prices import FREE

Reply = str | Answer | Exception


class ScriptedProvider:
    """Gives the replies of a script, in order; an exception among them is raised.

    Args:
        script: The replies, or a function from a request to its reply.
        slots: How many requests may run at once.

    Attributes:
        requests: What it was asked, in order.
    """

    name = "scripted"
    model = "script"
    price = FREE

    def __init__(self, script: Iterable[Reply] | Callable[[Request], Reply], *, slots: int = 1) -> None:
        self.slots = slots
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._function = script if callable(script) else None
        self._replies = iter(()) if callable(script) else iter(script)

    def complete(self, request: Request, request_id: str) -> Answer:
        """Return the next reply: see `Provider.complete`.

        Raises:
            LookupError: If the script has ended.
        """
        with self._lock:
            self.requests.append(request)
            reply = self._function(request) if self._function is not None else next(self._replies, None)
        if reply is None:
            raise LookupError(f"the script has no reply left for prompt {request.prompt!r}, {request.purpose!r}")
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Answer):
            return reply
        words = sum(len(message.content.split()) for message in request.messages)
        return Answer(reply, Usage(words, len(reply.split())))

    def close(self) -> None:
        """Nothing is held."""
