"""How long a model that fails is put up with: after several failures in a row it is not asked for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agents.llm.base import LeftAloneError, ModelError

#: How much failures in a row may weigh together before the model is left alone.
LIMIT = 12
#: Weight of an attempt that brought nothing: nobody there, no answer in time, 5xx ... Four in a row are enough.
SILENCE = 3
#: Weight of an attempt that brought an answer of no use: the model is there, and may do better.
USELESS = 1
#: How many requests are not asked when the model is first left alone; twice as many each time that it fails again.
FIRST_PAUSE, LONGEST_PAUSE = 8, 64


class Patience:
    """Counts failures in a row, and says when a model is not to be asked. Safe to use from several threads.

    It counts requests and not time, so that a pause means the same to quick and to slow trials. After a pause one
    attempt decides: an answer ends the matter, a failure begins a longer pause.

    Args:
        on_pause: Told when a pause begins, as a line for people.
    """

    def __init__(self, on_pause: Callable[[str], None] | None = None) -> None:
        self._on_pause = on_pause or (lambda line: None)
        self._lock = threading.Lock()
        self._weight = 0
        self._failures = 0
        self._left = 0
        self._pause = FIRST_PAUSE

    def admit(self) -> None:
        """Let a request pass, or count it among those that are not asked.

        Raises:
            LeftAloneError: If it is not to be asked.
        """
        with self._lock:
            if self._left == 0:
                return
            self._left -= 1
            raise LeftAloneError(f"the model is not asked, after {self._failures} failed attempts in a row")

    def succeeded(self) -> None:
        """Take note of a valid answer."""
        with self._lock:
            self._weight = self._failures = self._left = 0
            self._pause = FIRST_PAUSE

    def failed(self, error: ModelError) -> None:
        """Take note of a failed attempt."""
        with self._lock:
            self._failures += 1
            self._weight += SILENCE if error.answer is None and error.usage is None else USELESS
            if self._weight < LIMIT or self._left > 0:
                return
            self._left, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
            line = f"{self._failures} attempts in a row failed: the next {self._left} requests are not asked"
        self._on_pause(f"{line}; the last one: {error}")
