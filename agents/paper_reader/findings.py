"""What was found in a paper: the card of its component, what supports each field, and what it is nearest to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from neuramosaic.components.card import Card

Relation = Literal["same", "variant", "new", "none"]
"""How a paper's component stands to what is known: it is there already, it changes one of them, it is none of them;
"none": the paper describes no component, or none that could be told."""
RELATIONS: tuple[str, ...] = get_args(Relation)


@dataclass(frozen=True)
class Evidence:
    """What supports a field of a card.

    Attributes:
        page: Page of the paper, from 1.
        passage: Id of the passage.
        quote: Words of the passage, as read.
    """

    page: int
    passage: str
    quote: str


@dataclass(frozen=True)
class Nearest:
    """A known component or idea that is like the paper's.

    Attributes:
        kind: "component" of the catalogue or the workspace, or "idea" of the built-in knowledge.
        slot: Its slot.
        name: Its name.
        similarity: By words, in [0, 1]; only comparable within one paper.
        why: What makes it near, for people.
    """

    kind: Literal["component", "idea"]
    slot: str
    name: str
    similarity: float
    why: str = ""


@dataclass(frozen=True)
class PaperFindings:
    """What was found in a paper.

    Attributes:
        paper: Id of the paper.
        relation: How its component stands to what is known.
        name: What the paper calls it, in snake case, or ""; of the same, the name of the known component.
        slot: Slot that it fills, or "".
        card: Its card; None where nothing is to be written.
        evidence: What supports each field of the card, by field; a field that is missing here is not stated.
        nearest: What it is nearest to, the nearest first.
        reasons: Why it was decided so, as lines for people.
        model: Who was asked; "" if nobody was.
    """

    paper: str
    relation: Relation
    name: str = ""
    slot: str = ""
    card: Card | None = field(default=None, repr=False)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    nearest: tuple[Nearest, ...] = ()
    reasons: tuple[str, ...] = ()
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "paper": self.paper,
            "relation": self.relation,
            "name": self.name,
            "slot": self.slot,
            "card": self.card.model_dump(mode="json", exclude_defaults=True) if self.card else None,
            "evidence": {name: asdict(item) for name, item in self.evidence.items()},
            "nearest": [asdict(item) for item in self.nearest],
            "reasons": list(self.reasons),
            "model": self.model,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PaperFindings:
        """Read what `to_json` wrote.

        Raises:
            UsageError: If its card is none.
            KeyError, TypeError, ValueError: If it is something else.
        """
        if data["relation"] not in RELATIONS:
            raise ValueError(f"{data['relation']!r} is no relation")
        card = data["card"]
        return cls(
            paper=str(data["paper"]),
            relation=data["relation"],
            name=str(data["name"]),
            slot=str(data["slot"]),
            card=None if card is None else Card.from_mapping(card, "the card of the paper"),
            evidence={name: Evidence(**item) for name, item in data["evidence"].items()},
            nearest=tuple(Nearest(**item) for item in data["nearest"]),
            reasons=tuple(map(str, data["reasons"])),
            model=str(data["model"]),
        )
