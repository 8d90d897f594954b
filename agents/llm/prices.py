"""List prices of OpenAI's models, with the date of the snapshot. A model that is not here has no known price."""

from __future__ import annotations

from dataclasses import dataclass

#: When the table was written. Stored with every cost that is computed from it.
SNAPSHOT = "2026-03"


@dataclass(frozen=True)
class Price:
    """USD for a million tokens, without discounts for cached or batched requests.

    Attributes:
        tokens_in: Of the prompt.
        tokens_out: Of the answer, reasoning included.
    """

    tokens_in: float
    tokens_out: float

    def cost_usd(self, tokens_in: int, tokens_out: int) -> float:
        """Return the cost of a call in USD."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


FREE = Price(0.0, 0.0)

PRICES = {
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.4, 1.6),
    "gpt-4.1-nano": Price(0.1, 0.4),
    "gpt-4o": Price(2.5, 10.0),
    "gpt-4o-mini": Price(0.15, 0.6),
    "gpt-5": Price(1.25, 10.0),
    "gpt-5-mini": Price(0.25, 2.0),
    "gpt-5-nano": Price(0.05, 0.4),
    "gpt-5.1": Price(1.25, 10.0),
    "o3": Price(2.0, 8.0),
    "o4-mini": Price(1.1, 4.4),
}


def price_of(model: str) -> Price | None:
    """Return a model's price, or None if it is not known: a name that is only similar may cost anything."""
    return PRICES.get(model)
