"""Does a provider work? One short structured call says so."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.llm.base import ModelError, Provider
from agents.llm.client import LanguageModel
from neuramosaic.store.ledger import Ledger

N = TypeVar("N", int, float)

#: Enough for a model that thinks before it answers.
MAX_TOKENS = 2048


class Sum(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    sum: int


@dataclass(frozen=True)
class Connection:
    """How the call went.

    Attributes:
        works: Whether a valid answer came.
        provider: Which provider was asked.
        model: Which model.
        seconds: Wall time, with all attempts.
        attempts: How many it took.
        tokens_in: Tokens of the prompts, or None if the server did not count them all.
        tokens_out: Tokens of the answers, likewise.
        cost_usd: Cost in USD at list price, or None if it is not known.
        prices: Date of the price table that was used, or None.
        answer: The last answer, or None.
        problem: Why it does not work; empty if it does.
    """

    works: bool
    provider: str
    model: str
    seconds: float
    attempts: int
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    prices: str | None
    answer: str | None
    problem: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def check_connection(provider: Provider, ledger: Ledger, *, rng: np.random.Generator, attempts: int = 2) -> Connection:
    """Ask a provider for one small sum; the call goes into the ledger, outside any study.

    Args:
        provider: Whom to ask.
        ledger: Where to record it.
        rng: Source of the summands, and of the jitter between attempts.
        attempts: The most attempts.
    """
    before = len(ledger.calls())
    model = LanguageModel(provider, ledger, rng=rng, attempts=attempts)
    left, right = (int(summand) for summand in rng.integers(2, 50, size=2))
    problem = ""
    begin = time.perf_counter()
    try:
        model.ask("connection_test", {"left": left, "right": right}, Sum, purpose="test", max_tokens=MAX_TOKENS)
    except ModelError as error:
        problem = str(error)
    seconds = time.perf_counter() - begin
    calls = ledger.calls()[before:]
    return Connection(
        works=not problem,
        provider=provider.name,
        model=provider.model,
        seconds=seconds,
        attempts=len(calls),
        tokens_in=_total([call.tokens_in for call in calls]),
        tokens_out=_total([call.tokens_out for call in calls]),
        cost_usd=_total([call.cost_usd for call in calls]),
        prices=calls[-1].prices,
        answer=calls[-1].answer,
        problem=problem,
    )


def _total(parts: list[N | None]) -> N | None:
    """Return the sum, or None if a part is not known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
