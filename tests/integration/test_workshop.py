"""What the writing of a card may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.writer.writer import WriterLimits
from graph.workshop import UNREAD_ATTEMPTS, limits_of
from neuramosaic.components.card import Card
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings

READABLE = "y_t = W_o (W_v x_t * sigmoid(W_g x_t))"
UNREADABLE = "y_t = W_o sharpen(W_v x_t)"


@pytest.mark.parametrize(
    ("equation", "source", "attempts"),
    [
        (READABLE, "idea", WriterLimits().attempts),
        (UNREADABLE, "idea", UNREAD_ATTEMPTS),
        (UNREADABLE, "llm", UNREAD_ATTEMPTS),
        (UNREADABLE, "paper", WriterLimits().attempts),
    ],
)
def test_a_card_of_an_idea_that_nothing_reads_gets_fewer_attempts(
    tmp_path: Path, equation: str, source: str, attempts: int
) -> None:
    fields = {"name": "new", "slot": "mixer", "summary": "Something new", "equations": [equation]}
    with Store.open(tmp_path / "ws") as store:
        writing = Writings(store).add(Card.from_mapping(fields), source=source)
    assert limits_of(writing).attempts == attempts
    assert UNREAD_ATTEMPTS < WriterLimits().attempts
