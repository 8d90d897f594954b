"""What is in force: a fold over the log of applied commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.steering.commands import (
    NEUTRAL,
    Allow,
    Approval,
    Budget,
    Favour,
    MoreOnBest,
    Part,
    Pause,
    Pin,
    Resume,
    SteeringCommand,
    Unpin,
    Veto,
    Wish,
    command_from_json,
    describe,
    describe_wish,
)

#: Key of what `more-on-best` recorded when it was applied: the number of the trial that it promotes.
PROMOTES = "trial"
#: Keys of what a budget recorded when it was applied: the options before and after it.
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Steering:
    """What a person's commands, so far, mean for what comes next.

    Attributes:
        vetoed: Components that no new proposal has, in the order in which they were vetoed.
        pinned: By slot, the names that every new proposal has one of.
        wishes: Preferences, by key.
        approval: Whether a new component waits for a person.
        promoted: Numbers of the trials that a person wants promoted, in the order asked for.
    """

    vetoed: tuple[Part, ...] = ()
    pinned: Mapping[Slot, tuple[str, ...]] = field(default_factory=dict)
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    approval: bool = False
    promoted: tuple[int, ...] = ()

    @classmethod
    def of(cls, log: Iterable[tuple[SteeringCommand, Mapping[str, Any]]]) -> Steering:
        """Return what is in force after commands that were applied, each with what it recorded then."""
        steering = cls()
        for command, recorded in log:
            steering = steering.then(command, recorded)
        return steering

    def then(self, command: SteeringCommand, recorded: Mapping[str, Any] | None = None) -> Steering:
        """Return what is in force after one more command.

        Args:
            command: The command.
            recorded: What was recorded when it was applied; only `more-on-best` needs it.
        """
        match command:
            case Veto():
                return replace(self, vetoed=tuple(dict.fromkeys([*self.vetoed, *command.parts])))
            case Allow():
                return replace(self, vetoed=tuple(part for part in self.vetoed if part not in command.parts))
            case Pin():
                pinned: dict[Slot, tuple[str, ...]] = {}
                for part in command.parts:
                    pinned[part.slot] = tuple(dict.fromkeys([*pinned.get(part.slot, ()), part.name]))
                return replace(self, pinned={**self.pinned, **pinned})
            case Unpin():
                left = {slot: names for slot, names in self.pinned.items() if slot not in command.slots}
                return replace(self, pinned=left)
            case Favour():
                wishes = {**self.wishes, **{wish.key: wish for wish in command.wishes}}
                return replace(self, wishes={key: wish for key, wish in wishes.items() if wish.value != NEUTRAL})
            case Approval():
                return replace(self, approval=command.on)
            case MoreOnBest():
                asked = (recorded or {}).get(PROMOTES)
                return self if asked is None else replace(self, promoted=(*self.promoted, int(asked)))
            case _:
                return self

    @property
    def constrains(self) -> bool:
        """Whether anything bears on which architectures are proposed."""
        return bool(self.vetoed or self.pinned or self.wishes)

    def lines(self) -> list[str]:
        """Return what is in force, a line each, for people."""
        lines = [f"no {part.slot} {part.name}" for part in self.vetoed]
        lines += [f"{slot} is {' or '.join(names)}" for slot, names in self.pinned.items()]
        lines += [describe_wish(wish) for wish in self.wishes.values()]
        return [*lines, *(["new components wait for approval"] if self.approval else [])]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "vetoed": [part.model_dump(mode="json") for part in self.vetoed],
            "pinned": {str(slot): list(names) for slot, names in self.pinned.items()},
            "favoured": [wish.model_dump(mode="json") for wish in self.wishes.values()],
            "approval": self.approval,
        }


def undo(
    command: SteeringCommand, before: Steering, recorded: Mapping[str, Any] | None = None
) -> tuple[SteeringCommand, ...]:
    """Return the commands that bring back, for what a command touched, what was in force before it.

    Args:
        command: The command.
        before: What was in force when it was applied.
        recorded: What was recorded then; a budget needs it.

    Raises:
        UsageError: If it cannot be undone; says why, and what to do in its place.
    """
    match command:
        case Veto():
            new = tuple(part for part in command.parts if part not in before.vetoed)
            return (Allow(parts=new),) if new else ()
        case Allow():
            old = tuple(part for part in command.parts if part in before.vetoed)
            return (Veto(parts=old),) if old else ()
        case Pin() | Unpin():
            slots = command.slots if isinstance(command, Unpin) else tuple(part.slot for part in command.parts)
            return _pins_as_before(tuple(dict.fromkeys(slots)), before)
        case Favour():
            neutral = [Wish(key=wish.key, value=NEUTRAL) for wish in command.wishes if wish.key not in before.wishes]
            old_wishes = [before.wishes[wish.key] for wish in command.wishes if wish.key in before.wishes]
            return (Favour(wishes=tuple([*old_wishes, *neutral])),)
        case Budget():
            return (_budget_as_before(recorded or {}),)
        case Approval():
            return (Approval(on=before.approval),)
        case Pause():
            return (Resume(),)
        case Resume():
            return (Pause(),)
        case _:
            raise UsageError(f"'{describe(command)}' cannot be undone: trials and components that exist stay")


def _pins_as_before(slots: tuple[Slot, ...], before: Steering) -> tuple[SteeringCommand, ...]:
    parts = tuple(Part(slot=slot, name=name) for slot in slots for name in before.pinned.get(slot, ()))
    free = tuple(slot for slot in slots if slot not in before.pinned)
    commands: list[SteeringCommand] = []
    if parts:
        commands.append(Pin(parts=parts))
    if free:
        commands.append(Unpin(slots=free))
    return tuple(commands)


def _budget_as_before(recorded: Mapping[str, Any]) -> SteeringCommand:
    had = recorded.get(BEFORE)
    if not had:
        raise UsageError("this budget changed nothing yet: there is nothing to undo")
    names = {"trials": "trials", "max_hours": "hours", "max_llm_tokens": "tokens", "max_usd": "usd"}
    return command_from_json("budget", {names[option]: value for option, value in had.items()})
