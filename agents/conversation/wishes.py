"""Clauses about what is proposed: "no mixture of experts", "only linear-time mixers", "favour shallow"."""

from __future__ import annotations

import re

from agents.conversation.quantities import Left
from agents.conversation.run_sentence import unknown_component
from agents.conversation.situation import Situation
from neuramosaic.errors import UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import DEFAULT_WEIGHT, NEUTRAL, Allow, Favour, Part, Pin, Unpin, Veto, Wish

Commands = tuple[SteeringCommand, ...]

_VETO = (
    r"(?:no(?: more)?|without|avoid|exclude|ban|veto|drop|forbid|rule out|get rid of|never (?:use|try|propose)"
    r"|(?:don'?t|do not|stop) (?:use|using|try|trying|propose|proposing|want|allow)|remove|skip)"
)
_ALLOW = r"(?:allow|permit|bring back|unban|unveto|lift the (?:veto|ban) (?:on|of)|re-?allow)"
_PIN = (
    r"(?:only(?: use| try| propose)?|nothing but|pin|fix|always(?: use| have)?|stick (?:to|with)|use only"
    r"|every \w+ (?:has|uses))"
)
_UNPIN = r"(?:unpin|un-pin|free|release)"
_BUT = re.compile(r"\b(but|except|other than|besides)\b", re.IGNORECASE)
_AGAINST = re.compile(
    r"\b(no|not|without|less|fewer|never|avoid|instead|rather|over|than|but|except|don'?t|little)\b", re.IGNORECASE
)
_NEUTRAL = re.compile(
    r"(?:no (?:more )?preference (?:for|of)|(?:don'?t|do not|stop) (?:favou?r|prefer)(?:ing)?|no longer favou?r"
    r"|be neutral (?:about|on))\s+(.+)$",
    re.IGNORECASE,
)
_FAVOUR = re.compile(
    r"(?:favou?r|prefer|lean (?:towards?|to)|i(?:'d| would)? (?:like|prefer|want)|try|more|less|fewer"
    r"|make (?:it|them))\b\s*(.*)$",
    re.IGNORECASE,
)


def read_space(text: str, situation: Situation) -> Commands | None:
    """Return what rules components out or in, or None if a clause does not."""
    for verb, make in ((_UNPIN, Unpin), (_VETO, Veto), (_ALLOW, Allow), (_PIN, Pin)):
        match = re.match(rf"{verb}\b\s*(.*)$", text, re.IGNORECASE)
        if match is None:
            continue
        if make is Veto and re.match(r"(?:more )?(?:preference|favou?r\w*)\b", match[1], re.IGNORECASE):
            return None  # the end of a preference
        what = match[1]
        but = _BUT.search(what)
        if but:
            if make is not Veto:
                raise UsageError(f"say it without {but[1]!r}, such as 'only attention' or 'no attention'")
            make, what = Pin, what[but.end() :]  # nothing but these
        names = situation.vocabulary.names
        found = situation.vocabulary.find(what)
        unknown = Left(found.rest).words()
        if make is Unpin:
            slots = found.slots or tuple(dict.fromkeys(part.slot for part in found.parts))
            if not slots or unknown:
                raise UsageError(f"say which slot is free again: {', '.join(map(str, names.components))}")
            return (Unpin(slots=slots),)
        if unknown:
            raise unknown_component(" ".join(unknown), situation.vocabulary)
        if found.parts:
            return (_of_parts(make, found.parts),)
        if make is Veto and found.slots and all("none" in names.components[slot] for slot in found.slots):
            return (Pin(parts=tuple(Part(slot=slot, name="none") for slot in found.slots)),)
        raise UsageError(f"say which component, such as 'no mixture of experts': {text!r} names none")
    return None


def _of_parts(make: type[Veto | Allow | Pin | Unpin], parts: tuple[Part, ...]) -> SteeringCommand:
    if make is Veto:
        return Veto(parts=parts)
    return Allow(parts=parts) if make is Allow else Pin(parts=parts)


def read_wish(text: str, situation: Situation) -> Commands | None:
    """Return what leans towards something, or None if a clause does not."""
    neutral = _NEUTRAL.match(text)
    if neutral:
        return (_neutral(neutral[1], situation),)
    verb = _FAVOUR.match(text)
    what = verb[1] if verb else text
    if verb and re.match(r"(?:more|less|fewer)\b", text, re.IGNORECASE):
        what = text
    weighed = re.search(r"\bweight\s*=?\s*(\d+(?:\.\d+)?)", what, re.IGNORECASE)
    if weighed:
        what = what.replace(weighed[0], " ")
    ends = situation.vocabulary.ends(what)
    found = situation.vocabulary.find(what)
    if not ends and not found.parts:
        if verb and re.match(r"(?:favou?r|prefer|lean)", text, re.IGNORECASE):
            raise unknown_component(" ".join(Left(found.rest).words()) or what, situation.vocabulary)
        return None
    if not verb and not (ends and not found.parts):
        return None
    against = _AGAINST.search(what)
    if against and found.parts:
        raise UsageError(
            f"{against[1]!r} says what is not wanted: write 'no ...' to rule it out, or favour another one"
        )
    unknown = Left(situation.vocabulary.without_dimensions(found.rest)).words()
    if unknown:
        raise UsageError(f"{' '.join(unknown)!r} was not understood")
    weight = float(weighed[1]) if weighed else DEFAULT_WEIGHT
    wishes = [Wish(key=key, value=end, weight=weight) for key, end in ends]
    slots = [part.slot for part in found.parts]
    if len(set(slots)) < len(slots):
        raise UsageError(f"one {slots[0]} can be favoured at a time: name one, or rule others out")
    wishes += [Wish(key=str(part.slot), value=part.name, weight=weight) for part in found.parts]
    return (Favour(wishes=tuple(wishes)),)


def _neutral(what: str, situation: Situation) -> Favour:
    """Return what ends a preference."""
    found = situation.vocabulary.find(what)
    keys = [key for key, _ in situation.vocabulary.ends(what)]
    keys = keys or [str(part.slot) for part in found.parts] or [str(slot) for slot in found.slots]
    dimension = situation.vocabulary.dimension_in(what)
    keys = keys or ([dimension] if dimension else [])
    if not keys:
        raise UsageError("say what is to be neutral, such as 'no preference for depth'")
    return Favour(wishes=tuple(Wish(key=key, value=NEUTRAL) for key in dict.fromkeys(keys)))
