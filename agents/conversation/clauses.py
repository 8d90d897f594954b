"""Clauses that steer a session and its budget: "pause", "approve c0", "spend more on the best", "two more hours"."""

from __future__ import annotations

import re
from typing import Any

from agents.conversation.quantities import COUNT, HOURS, NUMBER, Left, count, hours, number
from agents.conversation.run_sentence import ARXIV
from agents.conversation.situation import Situation
from agents.conversation.wishes import read_space, read_wish
from neuramosaic.errors import UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import (
    Approval,
    Approve,
    Ingest,
    MoreOnBest,
    Pause,
    Reject,
    Resume,
    Stop,
    command_from_json,
)

Commands = tuple[SteeringCommand, ...]

_BEGINS = (
    r"(?:no|without|never|avoid|exclude|ban|veto|drop|forbid|don'?t|do not|only|pin|fix|always|stick|favou?r|prefer"
    r"|lean|allow|permit|bring|pause|stop|resume|continue|go on|spend|train|give|limit|raise|ask|approve|reject|read"
    r"|ingest|unpin|free|less|fewer|more|deeper|shallower)\b"
)
_SPLIT = re.compile(
    r"\s*(?:[;\n]|[.!?](?=\s|$)"
    rf"|,?\s+(?:and|then|but|also)(?:\s+(?:then|also|please))?\s+(?={_BEGINS})|,\s*(?={_BEGINS}))\s*",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^(?:please|now|then|also|ok|okay|so|and|let'?s|could you|can you|i want you to|you should)[ ,]+", re.IGNORECASE
)
_THANKS = re.compile(r"[ ,]*(?:please|now|thanks|thank you)?[?.! ]*$", re.IGNORECASE)
_SESSION = (
    (
        Pause,
        r"(?:pause|hold on|hold|wait|take a break)(?: (?:it|here|the study|this|for now|a moment|a bit|everything))*",
    ),
    (
        Resume,
        r"(?:resume|continue|go on|carry on|proceed|unpause|keep going|start|begin)"
        r"(?: (?:it|with it|the study|with the study|this))*",
    ),
    (
        Stop,
        r"(?:stop|end|halt|finish|quit|abort)(?: (?:it|the study|this|here|everything|the search|that|all))*",
    ),
)
_DECISION = re.compile(
    r"(?P<verb>approve|accept|reject|decline|refuse)\b\s*(?:it|that|the (?:card|component|proposal))?\s*"
    r"(?:card |component )?#?c?(?P<card>\d+)?\b[ ,:-]*(?P<reason>.*)$",
    re.IGNORECASE,
)
_APPROVAL_OFF = re.compile(
    r"(?:don'?t|do not|no need to|stop) ask(?:ing)?(?: me)?\b|(?:turn |switch )?(?:the )?approval off\b|no approval\b",
    re.IGNORECASE,
)
_APPROVAL_ON = re.compile(
    r"(?:ask me|ask (?:first|before)|let me (?:approve|decide)|(?:turn |switch )?(?:the )?approval on"
    r"|i want to approve)\b",
    re.IGNORECASE,
)
_MORE_ON_BEST = re.compile(
    r"\b(?:spend|more|longer|further|promote|train)\b.*\bbest\b|\bbest\b.*\b(?:longer|further|more)\b"
    r"|^promote (?:it|the leader)$",
    re.IGNORECASE,
)
_UNLIMITED = re.compile(
    r"\b(?:no|lift the|remove the|without(?: a)?)\s+(?:(?P<a>hour|time|usd|cost|token)s?\s+)?(?:limit|cap|budget)"
    r"(?:\s+(?:of|on|for)\s+(?:the )?(?P<b>hour|time|usd|cost|token|money)s?)?",
    re.IGNORECASE,
)
_TRIALS, _USD = r"(?:trials?|architectures?|models|candidates)", r"(?:usd|dollars?)"
_SPOKEN = re.compile(
    r"\b(?:limit|cap|budget|allow|spend|grant|add|raise|lower|increase|reduce|extra|additional|another|hours?|train|set|cost|costs|money)\b",
    re.IGNORECASE,
)


def clauses(text: str) -> list[str]:
    """Return the parts of a sentence that each say one thing."""
    return [part.strip(" ,.!") for part in _SPLIT.split(text) if part and part.strip(" ,.!")]


def read_clause(text: str, situation: Situation) -> Commands | None:
    """Return the commands that a clause asks for, or None if it is not understood.

    Raises:
        UsageError: If it names what does not exist; names the nearest.
    """
    words = _THANKS.sub("", _POLITE.sub("", text.strip()))
    for reader in (_session, _approval, _more_on_best, _ingest, _budget, read_space, read_wish):
        read = reader(words, situation)
        if read is not None:
            return read
    return None


def _session(text: str, situation: Situation) -> Commands | None:
    return next((((make(),)) for make, pattern in _SESSION if re.fullmatch(pattern, text, re.IGNORECASE)), None)


def _approval(text: str, situation: Situation) -> Commands | None:
    decision = _DECISION.match(text)
    if decision:
        if decision["card"] is None and len(situation.waiting) != 1:
            known = ", ".join(f"c{item}" for item in situation.waiting) or "none waits"
            raise UsageError(f"say which component, such as c0: {known}")
        if decision["verb"].lower() in ("approve", "accept") and Left(decision["reason"]).words():
            return None
        card = int(decision["card"]) if decision["card"] else situation.waiting[0]
        if decision["verb"].lower() in ("approve", "accept"):
            return (Approve(card=card),)
        reason = re.sub(r"^(?:because|since)\s+", "", decision["reason"], flags=re.IGNORECASE)
        return (Reject(card=card, reason=reason),)
    if _APPROVAL_OFF.match(text):
        return (Approval(on=False),)
    return (Approval(on=True),) if _APPROVAL_ON.match(text) else None


def _more_on_best(text: str, situation: Situation) -> Commands | None:
    refused = re.search(r"\b(?:less|not|don'?t|never|stop|no|without)\b", text, re.IGNORECASE)
    return (MoreOnBest(),) if _MORE_ON_BEST.search(text) and not refused else None


def _ingest(text: str, situation: Situation) -> Commands | None:
    if not re.match(r"(?:read|ingest|fetch|load|look at|study)\b", text, re.IGNORECASE):
        return None
    ids = [match["id"] for match in re.finditer(ARXIV, text, re.IGNORECASE)]
    if ids:
        return tuple(Ingest(ref=item) for item in dict.fromkeys(ids))
    about = re.match(
        r"(?:read|ingest|fetch)\s+(?:some |the |a few )?(?:papers?\s+(?:on|about)\s+|the file\s+)?(.+)$", text, re.I
    )
    return (Ingest(ref=about[1]),) if about else None


def _budget(text: str, situation: Situation) -> Commands | None:
    """Read limits: "at most 40 trials", "two more hours", "no limit of hours"."""
    lifted = _UNLIMITED.search(text)
    if lifted:
        name = (lifted["a"] or lifted["b"] or "hour").lower()
        option = {"hour": "hours", "time": "hours", "token": "tokens"}.get(name, "usd")
        return (command_from_json("budget", {option: None}),)
    left, found = Left(text), dict[str, Any]()
    if match := left.take(HOURS):
        found["hours"] = hours(match)
    if match := left.take(r"\$\s*(\d+(?:\.\d+)?)") or left.take(rf"(\d+(?:\.\d+)?)\s*(?:more |extra )?{_USD}\b"):
        found["usd"] = float(match[1])
    if match := left.take(rf"\b({NUMBER})\s+(?:more |extra |additional |other )?{_TRIALS}\b") or left.take(
        rf"\b{_TRIALS}\s+(?:to|at|=)\s*(\d+)\b"
    ):
        found["trials"] = int(number(match[1]))
    if match := left.take(rf"\b({COUNT})\s*(?:more |extra )?tokens\b"):
        found["tokens"] = count(match[1])
    if not found or Left(_SPOKEN.sub(" ", left.text)).words():
        return None
    if re.search(r"\b(?:more|another|extra|additional|longer)\b", text, re.IGNORECASE):
        found = {name: _raised(name, value, situation) for name, value in found.items()}
    return (command_from_json("budget", found),)


def _raised(name: str, value: float, situation: Situation) -> float:
    """Return a limit in all, where so much more is asked for."""
    had = situation.limits.get(name)
    if had is None:
        raise UsageError(f"the study has no limit of {name} yet: say how many in all, such as /budget {name}={value:g}")
    return type(value)(had + value)
