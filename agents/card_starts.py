"""Where a new card starts from: verified components whose equations the rule reads, one definition a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from agents.card_reading import Reading, complete, read_card
from agents.writer.examples import built_in_examples
from neuramosaic.components.card import Card
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass, Slot
from neuramosaic.space.domains import Categorical, Integer, Parameter

#: A learned map of the input within an expression, such as W_g x_t.
INPUT_MAP = re.compile(r"(?<!\w)([WU]_\w+) x_t(?!\w)")
#: Words that tell no component from another.
_COMMON = frozenset("the and with over for that who whose which per several into where all each what one".split()) | {
    "unit", "hidden", "input", "output", "learn", "position", "gat", "head",
}  # fmt: skip
_DEFINED = re.compile(r"\s*([A-Za-z]\w*?)(?:_t)?\s*")
_REMARK = re.compile(r"\s+(?:in \(|per head)")


@dataclass(frozen=True)
class Line:
    """One definition.

    Attributes:
        name: What is defined, without its index of the position: k for k_t.
        right: The right side.
        remark: What stands behind it, such as "per head"; maybe nothing.
    """

    name: str
    right: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.name}_t = {self.right}" + (f", {self.remark}" if self.remark else "")


@dataclass(frozen=True)
class Start:
    """A component that the rule reads, ready to be edited.

    Attributes:
        name: Its name.
        slot: Its slot.
        summary: One line for people.
        lines: Its definitions; the last one defines y.
        facts: Lines that say sizes and first values.
        hyperparameters: As a card writes them.
        cost: How its time grows.
        properties: What its card claims.
    """

    name: str
    slot: Slot
    summary: str
    lines: tuple[Line, ...]
    facts: tuple[str, ...]
    hyperparameters: tuple[Parameter, ...]
    cost: CostClass
    properties: tuple[tuple[str, bool | int], ...] = ()

    @property
    def equations(self) -> list[str]:
        """Its equations as a card holds them."""
        return [*map(str, self.lines), *self.facts]

    def card(self, name: str | None = None, summary: str | None = None) -> Card:
        """Return a card of it.

        Args:
            name: Another name.
            summary: Another summary.
        """
        return Card.from_mapping(
            {
                "name": name or self.name,
                "slot": self.slot,
                "summary": summary or self.summary,
                "equations": self.equations,
                "hyperparameters": [as_written(item) for item in self.hyperparameters],
                "cost": self.cost,
                "properties": dict(self.properties),
            },
            where="the card of the idea",
        )

    def reading(self) -> Reading:
        """Return what the rule makes of it."""
        return read_card(self.card())


def starts(known: Catalogue, slot: Slot) -> list[Start]:
    """Return the components of a slot that the rule reads: those of the catalogue, and the worked examples.

    Args:
        known: The components that exist; for one that is also a worked example, the example's equations are taken.
        slot: The slot.
    """
    examples = {example.card.name: example.card for example in built_in_examples() if example.card.slot is slot}
    found: list[Start | None] = [_of_card(card) for card in examples.values()]
    found += [_of_spec(spec) for spec in known.slot(slot) if spec.name not in examples]
    return [start for start in found if start is not None]


def near(idea: str, begin: Sequence[Start]) -> list[Start]:
    """Return starts in the order of how many of their words an idea has; rare words count more."""
    said = _stems(idea)
    words = [_stems(f"{start.name.replace('_', ' ')} {start.summary}") for start in begin]

    def alike(place: int) -> float:
        return sum(1 / sum(word in other for other in words) for word in words[place] & said) - 0.01 * len(words[place])

    return [begin[place] for place in sorted(range(len(begin)), key=alike, reverse=True)]


def as_written(parameter: Parameter) -> dict[str, Any]:
    """Return a parameter of the space as a card writes it."""
    written: dict[str, Any] = {"name": parameter.name, "default": parameter.default}
    if isinstance(parameter, Categorical):
        return {**written, "kind": "categorical", "domain": list(parameter.choices)}
    kind = "integer" if isinstance(parameter, Integer) else "float"
    return {**written, "kind": kind, "domain": [parameter.low, parameter.high], "log": parameter.log}


def _of_card(card: Card) -> Start | None:
    properties = tuple(card.claims().items())
    return _ready(card.name, card.slot, card.summary, card.equations, card.domains(), card.cost, properties)


@cache
def _of_spec(spec: ComponentSpec) -> Start | None:
    by_itself = spec.slot in (Slot.CHANNEL, Slot.NORM)
    properties = (("receptive_field", 1),) if by_itself else ()
    equations = equations_of(spec)
    return _ready(spec.name, spec.slot, spec.summary, equations, spec.hyperparameters, spec.cost, properties)


def _ready(
    name: str,
    slot: Slot,
    summary: str,
    equations: Sequence[str],
    hyperparameters: Sequence[Parameter],
    cost: CostClass,
    properties: tuple[tuple[str, bool | int], ...],
) -> Start | None:
    """Return a start, with sizes where its equations give none; None if the rule does not read it."""
    lines = tuple(line for equation in equations for line in _lines(equation))
    if not lines or lines[-1].name != "y":
        return None
    start = Start(name, slot, summary, lines, (), tuple(hyperparameters), cost, properties)
    card, reading = complete(start.card())
    if not reading.readable:
        return None
    return replace(start, facts=tuple(card.equations[len(lines) :]), hyperparameters=card.domains())


def _lines(equation: str) -> Iterator[Line]:
    """Split an equation with several definitions: `q_t, k_t = W_q x_t, W_k x_t, each per head`."""
    text = re.sub(r"(?<![\w^])([xy])(?![\w^_(])", r"\1_t", equation) if "f(x)" not in equation + " " else equation
    names: list[str] = []
    rights: list[str] = []
    pending: list[str] = []
    remark = ""
    made: list[Line] = []

    def close() -> None:
        made.extend(Line(name, right, remark) for name, right in zip(names, rights, strict=False))

    for piece in split_top(text):
        left, equals, right = piece.partition("=")
        defined = _DEFINED.fullmatch(left)
        if equals and defined and not left.rstrip().endswith("<"):
            close()
            names, rights, remark = [*pending, defined[1]], [right.strip()], ""
            pending = []
        elif not names:
            lone = _DEFINED.fullmatch(piece)
            if lone is None:
                return
            pending.append(lone[1])
        elif len(rights) < len(names):
            rights.append(piece.strip())
        else:
            remark = ", ".join(filter(None, [remark, piece.strip()]))
    close()
    for line in made:
        behind = _REMARK.search(line.right)
        if behind is None:
            yield line
        else:
            yield Line(line.name, line.right[: behind.start()], ", ".join(filter(None, [line.remark])))


def split_top(text: str) -> list[str]:
    """Split at the commas and semicolons that stand in no bracket."""
    pieces, depth, current = [], 0, ""
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign in ",;" and depth == 0:
            pieces.append(current)
            current = ""
        else:
            current += sign
    return [piece for piece in (*pieces, current) if piece.strip()]


def closing(text: str, opening: int) -> int:
    """Return the index of the bracket that closes the one at `opening`.

    Raises:
        ValueError: If none does.
    """
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"{text[opening:]!r} has an open bracket")


def _stems(text: str) -> set[str]:
    """Return the words of a text, short ones and endings left out."""
    return {re.sub(r"(ing|ed|s)$", "", word) for word in re.findall(r"[a-z]{3,}", text.lower())} - _COMMON
