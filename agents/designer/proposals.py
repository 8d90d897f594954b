"""What the designer may want."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neuramosaic.components.card import Card
from neuramosaic.space.architecture import Architecture


@dataclass(frozen=True)
class Proposal:
    """A trial that the designer wants.

    Attributes:
        number: Number of the trial in its study.
        architecture: What to try.
        source: Who thought of it: "baseline", the sampler's name, "evolution", "llm" or "mutation".
        rung: Index of the fidelity level.
        asked: How many points the samplers have been asked for, this one included.
        parent: The trial that this one promotes, or None.
        why: One line for the journal.
        proposal: What the trial's record keeps of it, besides: `neuramosaic.analysis.payoff` says what.
        seed: Of data order and initialisation, or None for that of the study.
    """

    number: int
    architecture: Architecture
    source: str
    rung: int
    asked: int
    parent: str | None
    why: str
    proposal: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True)
class CardProposal:
    """A component that does not exist yet and that the designer wants written.

    Attributes:
        number: Number of the writing in its study.
        card: What it is to be.
        why: One line for the journal.
        proposal: What the writing's record keeps of it: `why`, `predicted_loss` (nats per token, at the first rung, of
            the best architecture with it), `tokens_in`, `tokens_out`.
    """

    number: int
    card: Card
    why: str
    proposal: Mapping[str, Any] = field(default_factory=dict)
