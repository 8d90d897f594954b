"""What calls may use up: a cap that holds before a call is made, also when several run at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agents.llm.base import BudgetSpentError
from agents.llm.prices import Price
from neuramosaic.errors import InvalidValueError
from neuramosaic.store.ledger import Spent


@dataclass
class Reservation:
    """What one call holds of a budget: the most that it could use, until what it did use is known.

    Attributes:
        tokens: In and out.
        usd: None if no price is known.
    """

    tokens: int
    usd: float | None


class Budget:
    """Caps on tokens and USD. Safe to use from several threads.

    Args:
        max_tokens: The most tokens, in and out, or None.
        max_usd: The most USD at list price, or None.
        spent: What has been used up before, as a resumed study's ledger has it.

    Raises:
        InvalidValueError: If a cap is not positive.
    """

    def __init__(
        self, max_tokens: int | None = None, max_usd: float | None = None, *, spent: Spent | None = None
    ) -> None:
        for name, cap in (("max_tokens", max_tokens), ("max_usd", max_usd)):
            if cap is not None and not cap > 0:
                raise InvalidValueError(name, cap, "a positive number, or none")
        self.max_tokens, self.max_usd = max_tokens, max_usd
        self.tokens = spent.tokens if spent else 0
        self.usd = spent.usd if spent else 0.0
        self._lock = threading.Lock()

    def limit(self, max_tokens: int | None, max_usd: float | None) -> None:
        """Set other caps; what was used up counts against them, and a call that runs is let finish."""
        with self._lock:
            self.max_tokens, self.max_usd = max_tokens, max_usd

    @contextmanager
    def reserve(self, tokens: int, usd: float | None) -> Iterator[Reservation]:
        """Hold the most that a call could use while it runs; then keep what the caller sets the reservation to.

        A call that ends with an error which nobody has accounted for keeps the whole of it.

        Raises:
            BudgetSpentError: If it could exceed a cap.
        """
        held = Reservation(tokens, usd)
        with self._lock:
            if self.max_tokens is not None and self.tokens + tokens > self.max_tokens:
                raise BudgetSpentError("tokens", cap=self.max_tokens, spent=self.tokens, needed=tokens)
            if self.max_usd is not None and self.usd + (usd or 0.0) > self.max_usd:
                raise BudgetSpentError("USD", cap=self.max_usd, spent=self.usd, needed=usd or 0.0)
            self.tokens += tokens
            self.usd += usd or 0.0
        try:
            yield held
        finally:
            with self._lock:
                self.tokens += held.tokens - tokens
                self.usd += (held.usd or 0.0) - (usd or 0.0)


def check_priced(model: str, price: Price | None, max_usd: float | None) -> None:
    """Check that a cap in USD can be kept.

    Raises:
        InvalidValueError: If there is one, and the model's price is not known.
    """
    if max_usd is not None and price is None:
        raise InvalidValueError("max_usd", max_usd, f"a cap on tokens instead: the price of {model!r} is not known")
