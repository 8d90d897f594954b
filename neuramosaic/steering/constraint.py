"""What steering means for the points of a space: which may be proposed, and which are preferred.

The space, its vectors and its version stay as they are, so that old points keep their meaning: what is ruled out is
refused where something is proposed, or repaired.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidArchitectureError, UsageError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.domains import Categorical, Parameter
from neuramosaic.space.layout import NO_MODULATOR
from neuramosaic.space.validation import choices
from neuramosaic.steering.commands import HIGH, Wish
from neuramosaic.steering.force import Steering
from neuramosaic.steering.names import is_named

#: Log weight of each choice of a point that is ruled out: worse than any preference, yet finite, so that a search that
#: climbs still sees which of two excluded points has less that is wrong.
EXCLUDED = -1e4
REPAIRS = 32
"""How many replacements are drawn for an architecture before it is given up."""
_CHOICE = re.compile(rf"(?:block\d+\.)?({'|'.join(Slot)})")


class Constraint:
    """Says which architectures a study may still propose, and how much each is wanted.

    A pinned position need not show where no mixer uses one: such an architecture is always written with the position
    "none", whatever was meant.

    Args:
        space: The study's space.
        steering: What is in force.

    Attributes:
        allowed: The names that each slot may have; "none" stands for no modulator.
    """

    def __init__(self, space: ArchitectureSpace, steering: Steering) -> None:
        self._space, self.steering = space, steering
        vetoed = {(part.slot, part.name) for part in steering.vetoed}
        self.allowed: dict[Slot, tuple[str, ...]] = {
            slot: tuple(
                name
                for name in space.options(slot)
                if (slot, name) not in vetoed and name in steering.pinned.get(slot, (name,))
            )
            for slot in Slot
        }

    @property
    def excludes(self) -> bool:
        """Whether anything of the space is ruled out."""
        return any(len(self.allowed[slot]) < len(self._space.options(slot)) for slot in Slot)

    def check(self) -> None:
        """Check that something is left to search.

        Raises:
            UsageError: If a slot has nothing left, or no model with what is left meets the parameter budget.
        """
        for slot, names in self.allowed.items():
            if not names and self._space.options(slot):
                raise UsageError(
                    f"that would leave no {slot} to propose: allow or unpin another first"
                    + (f" (pinned: {', '.join(self.steering.pinned[slot])})" if slot in self.steering.pinned else "")
                )
        if self.excludes and self.repair(self._space.baseline(), np.random.default_rng(0)) is None:
            raise UsageError(f"no model of {self._space.params_budget or 0:,} parameters can be made with what is left")

    def problems(self, architecture: Architecture) -> list[str]:
        """Return what of an architecture is ruled out, as "mixer attention", each once."""
        idle = self._idle(architecture)
        found = (
            f"{slot} {choice.name}"
            for _, slot, choice in choices(architecture)
            if choice.name not in self.allowed[slot] and not (idle and slot is Slot.POSITION)
        )
        return list(dict.fromkeys(found))

    def holds(self, architecture: Architecture) -> bool:
        """Return whether an architecture may be proposed."""
        return not self.problems(architecture)

    def _idle(self, architecture: Architecture) -> bool:
        """Whether the position does nothing: then its name is the canonical one, and nobody's choice."""
        catalogue = self._space.catalogue
        position = catalogue.get(Slot.POSITION, architecture.position.name)
        mixers = [catalogue.get(Slot.MIXER, block.mixer.name) for block in architecture.blocks]
        return bool(position.traits.get("relative")) and not any(mixer.uses_position for mixer in mixers)

    def repair(
        self, architecture: Architecture, rng: np.random.Generator, *, keep: str | None = None
    ) -> Architecture | None:
        """Return the architecture with what is ruled out replaced by something allowed, or None if none fits.

        Where the parameter budget cannot be met, the nearest depth that can meet it is taken.

        Args:
            architecture: An architecture whose components exist; it need not be of a restricted space.
            rng: Source of the replacements.
            keep: The name of a component that has to be in the result.
        """
        depths = sorted(self._space.depths, key=lambda depth: (abs(depth - architecture.depth), depth))
        for _ in range(REPAIRS):
            drawn = self._replaced(architecture, rng)
            for depth in depths:
                try:
                    made = self._space.canonicalise(replace(drawn, depth=depth))
                except InvalidArchitectureError:
                    continue
                if self.holds(made) and (keep is None or keep in made.components()):
                    return made
                break
        return None

    def _replaced(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        def choose(slot: Slot, choice: Choice) -> Choice:
            names = self.allowed[slot]
            if choice.name in names or not names:
                return choice
            name = names[int(rng.integers(len(names)))]
            return Choice(name) if name == NO_MODULATOR and slot is Slot.MODULATOR else self._default(slot, name)

        blocks = []
        drawn: dict[tuple[Slot, str], Choice] = {}  # what stood in several blocks is replaced alike
        for block in architecture.blocks:
            parts = {}
            for slot, choice in (
                (Slot.MIXER, block.mixer),
                (Slot.CHANNEL, block.channel),
                (Slot.NORM, block.norm),
                (Slot.MODULATOR, block.modulator or Choice(NO_MODULATOR)),
            ):
                key = (slot, choice.name)
                if choice.name not in self.allowed[slot]:
                    drawn[key] = drawn.get(key) or choose(slot, choice)
                    choice = drawn[key]
                parts[slot] = choice
            modulator = parts[Slot.MODULATOR]
            blocks.append(
                Block(
                    parts[Slot.MIXER],
                    parts[Slot.CHANNEL],
                    parts[Slot.NORM],
                    None if modulator.name == NO_MODULATOR else modulator,
                )
            )
        return replace(
            architecture,
            blocks=tuple(blocks),
            position=choose(Slot.POSITION, architecture.position),
            residual=choose(Slot.RESIDUAL, architecture.residual),
        )

    def _default(self, slot: Slot, name: str) -> Choice:
        return Choice(name, self._space.catalogue.get(slot, name).defaults())

    def log_weight(self, point: Mapping[str, Any]) -> float:
        """Return the logarithm of how much a point is wanted, relative to the most wanted: 0 or less.

        A preference of weight w takes up to log w away: all of it from a point at the other end of the dimension, or
        from one without the component, in proportion between. What is ruled out takes `EXCLUDED` away.

        Args:
            point: A point of the space's parameters.
        """
        weight = 0.0
        for name, value in point.items():
            matched = _CHOICE.fullmatch(name)
            if matched and value not in self.allowed[Slot(matched[1])]:
                weight += EXCLUDED
        return weight + sum(self._log_wish(wish, point) for wish in self.steering.wishes.values())

    def _log_wish(self, wish: Wish, point: Mapping[str, Any]) -> float:
        full = -math.log(wish.weight)
        if wish.key in tuple(Slot):
            held = [value for name, value in point.items() if _is_choice(name, wish.key)]
            return full * sum(value != wish.value for value in held) / len(held) if held else 0.0
        shares = [
            _share(self._space.parameters[name], value) for name, value in point.items() if is_named(name, wish.key)
        ]
        if not shares:
            return 0.0
        mean = sum(shares) / len(shares)
        return full * (1.0 - mean if wish.value == HIGH else mean)


def _share(domain: Parameter, value: Any) -> float:
    """Return how high a value lies between the least and the greatest of its domain, in [0, 1]; 0 of a category."""
    if isinstance(domain, Categorical):
        return 0.0
    low, high = float(domain.to_unit(domain.low)), float(domain.to_unit(domain.high))
    return (float(domain.to_unit(value)) - low) / (high - low) if high > low else 0.0


def _is_choice(name: str, slot: str) -> bool:
    matched = _CHOICE.fullmatch(name)
    return matched is not None and matched[1] == slot
