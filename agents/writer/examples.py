"""Worked examples: verified components with their cards and sketches, and which of them are nearest to a card."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from agents.writer.hints import overlap, suggest
from neuramosaic.components.card import Card


@dataclass(frozen=True)
class Example:
    """A component that passes the whole ladder, as it is shown to a model.

    Attributes:
        card: Its card.
        sketch: Its forward pass.
    """

    card: Card
    sketch: str


@cache
def built_in_examples() -> tuple[Example, ...]:
    """Return the examples that come with the prompts: components of the catalogue, written as sketches."""
    folder = resources.files("prompts") / "examples"
    found = []
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".yaml"):
            card = Card.from_yaml(file.read_text(encoding="utf-8"), file.name)
            sketch = (folder / f"{card.name}.sketch").read_text(encoding="utf-8")
            found.append(Example(card, sketch.strip()))
    return tuple(found)


def nearest(card: Card, examples: Sequence[Example], count: int = 2) -> list[Example]:
    """Return the examples nearest to a card, the nearest first; those of its slot before all others.

    Near is what has the same words in summary and equations (rare words count more), needs the same functions, and has
    the same cost class.

    Args:
        card: The card.
        examples: What there is to choose from; one of the card's own name is left out.
        count: How many.
    """
    others = [example for example in examples if example.card.name != card.name]
    seen = Counter(word for example in others for word in set(_words(example.card)))
    wanted = suggest(card)

    def nearness(example: Example) -> tuple[bool, float, str]:
        alike = _cosine(_weights(card, seen, len(others)), _weights(example.card, seen, len(others)))
        cost = 0.1 * (example.card.cost == card.cost)
        return example.card.slot == card.slot, alike + overlap(wanted, example.sketch) + cost, example.card.name

    return sorted(others, key=nearness, reverse=True)[:count]


def _words(card: Card) -> list[str]:
    return re.findall(r"[a-z_]+|[0-9]+", " ".join([card.summary, *card.equations, card.cost]).lower())


def _weights(card: Card, seen: Counter[str], total: int) -> dict[str, float]:
    counts = Counter(_words(card))
    return {word: math.sqrt(count) * math.log(1 + total / (1 + seen[word])) for word, count in counts.items()}


def _cosine(a: dict[str, float], b: dict[str, float]) -> float:
    product = sum(weight * b.get(word, 0.0) for word, weight in a.items())
    sizes = math.sqrt(sum(weight**2 for weight in a.values()) * sum(weight**2 for weight in b.values()))
    return product / sizes if sizes else 0.0
