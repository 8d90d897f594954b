"""From what a person types, such as "/veto mixer=attention", to a command. No language model is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.steering.commands import BUDGET_OPTIONS, KINDS, NEUTRAL, SteeringCommand, command_from_json
from neuramosaic.steering.names import Names

#: How each kind is written.
USAGE: Mapping[str, str] = {
    "veto": "/veto SLOT=NAME [SLOT=NAME ...]",
    "allow": "/allow SLOT=NAME [SLOT=NAME ...]",
    "pin": "/pin SLOT=NAME [SLOT=NAME ...]",
    "unpin": "/unpin SLOT [SLOT ...]",
    "favour": "/favour KEY=VALUE [KEY=VALUE ...] [weight=W]",
    "budget": "/budget trials=N hours=H tokens=N usd=X",
    "more-on-best": "/more-on-best",
    "pause": "/pause",
    "resume": "/resume",
    "stop": "/stop",
    "approval": "/approval on|off",
    "approve": "/approve CARD",
    "reject": "/reject CARD [REASON]",
    "idea": "/idea TEXT",
    "ingest": "/ingest REF",
}
#: American spelling, and what people type for a kind.
_ALIASES = {"favor": "favour", "prefer": "favour", "more": "more-on-best", "ban": "veto", "continue": "resume"}
_OFF_WORDS = {"none", "off", "unlimited"}


def parse_command(text: str, names: Names | None = None) -> SteeringCommand:
    """Read a slash command; the slash may be left out.

    Args:
        text: Such as "/veto mixer=attention channel=moe", "/favour depth=low weight=4" or "/budget trials=40".
        names: The slots, components and dimensions of the study, against which names are checked; without them only
            the form is. With them a component may be named without its slot, or with a wrong one, if its
            name is unique.

    Raises:
        UnknownNameError: If there is no such command, slot, component or dimension; names the nearest one.
        InvalidValueError: If a value is outside its domain.
        UsageError: If something is missing or too much; says how the command is written.
    """
    word, _, rest = " ".join(text.split()).removeprefix("/").partition(" ")
    kind = _ALIASES.get(word.lower().replace("_", "-"), word.lower().replace("_", "-"))
    if kind not in KINDS:
        raise UnknownNameError("command", word, KINDS)
    command = command_from_json(kind, _READERS[kind](kind, rest, names))
    if names is not None:
        names.check(command)
    return command


def _parts(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    return {"parts": [_part(kind, word, names) for word in _needed(kind, rest)]}


def _part(kind: str, word: str, names: Names | None) -> dict[str, str]:
    slot, equals, name = word.partition("=")
    if not equals and names is not None:
        return {"slot": names.slot_of(word), "name": word}
    if not equals or not name:
        raise UsageError(f"{word!r} is not SLOT=NAME: write {USAGE[kind]}")
    found = _slot(slot)
    if names is not None and name not in names.components[Slot(found)] and names.slots_with(name):
        found = names.slot_of(name)  # "mixer=moe": a person knows the part, not always where it goes
    return {"slot": found, "name": name}


def _slot(word: str) -> str:
    """Return the slot that a word names; the plural will do."""
    slot = word.lower()
    slot = slot.removesuffix("s") if slot not in tuple(Slot) else slot
    if slot not in tuple(Slot):
        raise UnknownNameError("slot", word, map(str, Slot))
    return slot


def _slots(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    return {"slots": [_slot(word.partition("=")[0]) for word in _needed(kind, rest)]}


def _favour(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    """Read wishes; a weight holds for those before it, back to the last weight."""
    wishes: list[dict[str, Any]] = []
    open_from = 0
    for word in _needed(kind, rest):
        key, equals, value = word.partition("=")
        if key == NEUTRAL and not equals:
            raise UsageError("say what is to be neutral, such as /favour depth=neutral")
        if not equals or not value:
            raise UsageError(f"{word!r} is not KEY=VALUE: write {USAGE[kind]}")
        if key == "weight":
            if open_from == len(wishes):
                raise UsageError("weight=W stands after what it weighs, as in /favour depth=low weight=4")
            for wish in wishes[open_from:]:
                wish["weight"] = _number("weight", value)
            open_from = len(wishes)
        else:
            wishes.append({"key": key.lower(), "value": value})
    return {"wishes": wishes}


def _budget(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in _needed(kind, rest):
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise UsageError(f"{word!r} is not KEY=VALUE: write {USAGE[kind]}")
        if key not in BUDGET_OPTIONS:
            raise UnknownOptionError("budget", key, BUDGET_OPTIONS)
        if value.lower() in _OFF_WORDS and key != "trials":
            found[key] = None
        elif key in ("trials", "tokens"):
            found[key] = value
        else:
            found[key] = _number(key, value.removeprefix("$"))
    return found


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidValueError(name, text, "a number, such as 2 or 0.5")
    return number


def _nothing(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    if rest:
        raise UsageError(f"{USAGE[kind]} takes nothing more: leave {rest!r} out")
    return {}


def _on_off(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    if rest.lower() not in ("on", "off"):
        raise UsageError(f"write {USAGE[kind]}")
    return {"on": rest.lower() == "on"}


def _card(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    """Read a card: "c0", "0" or "recall-1.c0", the id of the writing that waits."""
    word, _, reason = rest.partition(" ")
    match = re.fullmatch(r"(?:.*\.)?c?([0-9]+)", word)
    if match is None:
        raise UsageError(f"{word!r} names no card: write {USAGE[kind]}, with a card such as c0")
    if kind == "reject":
        return {"card": int(match[1]), "reason": reason}
    _nothing(kind, reason, names)
    return {"card": int(match[1])}


def _text(kind: str, rest: str, names: Names | None) -> dict[str, Any]:
    return {{"idea": "text", "ingest": "ref"}[kind]: " ".join(_needed(kind, rest))}


def _needed(kind: str, rest: str) -> list[str]:
    words = rest.split()
    if not words:
        raise UsageError(f"/{kind} lacks something: write {USAGE[kind]}")
    return words


_READERS: Mapping[str, Callable[[str, str, Names | None], dict[str, Any]]] = {
    "veto": _parts,
    "allow": _parts,
    "pin": _parts,
    "unpin": _slots,
    "favour": _favour,
    "budget": _budget,
    "more-on-best": _nothing,
    "pause": _nothing,
    "resume": _nothing,
    "stop": _nothing,
    "approval": _on_off,
    "approve": _card,
    "reject": _card,
    "idea": _text,
    "ingest": _text,
}
