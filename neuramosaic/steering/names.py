"""The names that a command may use in one study: slots, components, dimensions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError, UsageError
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.domains import Categorical
from neuramosaic.steering.commands import HIGH, LOW, NEUTRAL, Allow, Favour, Part, Pin, SteeringCommand, Veto, Wish


@dataclass(frozen=True)
class Names:
    """What can be named.

    Attributes:
        components: The names of each slot; "none" among the modulators stands for no modulator.
        dimensions: The numeric dimensions, such as "depth", "learning_rate" and "attention.heads".
    """

    components: dict[Slot, tuple[str, ...]]
    dimensions: tuple[str, ...]

    @classmethod
    def of(cls, space: ArchitectureSpace) -> Names:
        """Return the names of a space."""
        numeric = [item.name for item in space.parameters.parameters if not isinstance(item, Categorical)]
        short = dict.fromkeys(short_name(name) for name in numeric)
        return cls({slot: space.options(slot) for slot in Slot}, tuple(short))

    def slots_with(self, name: str) -> list[Slot]:
        """Return the slots that have a component of this name."""
        return [slot for slot, names in self.components.items() if name in names]

    def slot_of(self, name: str) -> Slot:
        """Return the one slot that has a component of this name.

        Raises:
            UnknownNameError: If none has.
            UsageError: If several have.
        """
        found = self.slots_with(name)
        if not found:
            every = dict.fromkeys(known for names in self.components.values() for known in names)
            raise UnknownNameError("component", name, every)
        if len(found) > 1:
            raise UsageError(f"{name!r} is a {' and a '.join(found)}: say which, such as {found[0]}={name}")
        return found[0]

    def check(self, command: SteeringCommand) -> None:
        """Check that what a command names exists.

        Raises:
            UnknownNameError: If a component or a dimension does not; names the nearest one, or its right slot.
            InvalidValueError: If a preference's value is none that its key can have.
        """
        match command:
            case Veto() | Allow() | Pin():
                for part in command.parts:
                    self._check_part(part)
            case Favour():
                for wish in command.wishes:
                    self._check_wish(wish)
            case _:
                pass

    def _check_part(self, part: Part) -> None:
        if part.name in self.components[part.slot]:
            return
        elsewhere = self.slots_with(part.name)
        if elsewhere:
            raise UsageError(
                f"{part.name!r} is no {part.slot}, it is a {elsewhere[0]}: write {elsewhere[0]}={part.name}"
            )
        raise UnknownNameError(str(part.slot), part.name, self.components[part.slot])

    def _check_wish(self, wish: Wish) -> None:
        if wish.key in tuple(Slot):
            if wish.value != NEUTRAL:
                self._check_part(Part(slot=Slot(wish.key), name=wish.value))
        elif any(is_named(name, wish.key) for name in self.dimensions):
            if wish.value not in (LOW, HIGH, NEUTRAL):
                raise InvalidValueError(wish.key, wish.value, f"{LOW}, {HIGH} or {NEUTRAL}")
        else:
            raise UnknownNameError("slot or dimension", wish.key, [*map(str, Slot), *self.dimensions])


def short_name(parameter: str) -> str:
    """Return a parameter's name as people write it: "block0.mixer.attention.heads" is "attention.heads"."""
    path = parameter.split(".")
    return ".".join(path[-2:] if len(path) > 2 else path[-1:])


def is_named(parameter: str, key: str) -> bool:
    """Return whether a parameter is meant by a key: "heads" is every parameter that ends so."""
    return parameter == key or parameter.endswith(f".{key}")


def named(parameters: Iterable[str], key: str) -> tuple[str, ...]:
    """Return the parameters that a key means."""
    return tuple(name for name in parameters if is_named(name, key))
