"""What the words of an idea promise of a component: a claim that they do not make is not put on its card.

A claim is checked on the code, so that a wrong one makes a good component fail. A model reads more into a sentence than
it says; so a claim counts only if the model makes it and the words speak of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from neuramosaic.components.spec import CostClass, Slot

#: The longest window that a card may claim, in positions.
LONGEST_WINDOW = 512
_ORDER = (CostClass.CONSTANT, CostClass.LINEAR, CostClass.LOG_LINEAR, CostClass.QUADRATIC)
_NUMBERS = {
    word: number
    for number, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), start=2)
} | {"sixteen": 16, "thirty-two": 32, "sixty-four": 64}
_UNIT = r"(?:positions?|tokens?|steps?|inputs?|symbols?|characters?|bytes?)"
_WINDOW = re.compile(
    rf"(?:(?:last|previous|recent|latest) (?P<last>\d+|[a-z-]+)(?: {_UNIT})?\b)"
    rf"|(?:window of (?P<window>\d+|[a-z-]+)\b)|(?P<wide>\d+)-(?:{_UNIT}|tap) "
)
_CHEAPER = re.compile(
    r"\b(linear(?! (?:map|layer|projection))|constant|sub-?quadratic|n log n|recurren\w*|states?|running|window\w*"
    r"|convolution\w*)\b"
)
_STATE = re.compile(r"\b(recurren\w*|states?|running|memory|accumulat\w*|leaky|moving|hidden|integrat\w*|cumulative)\b")
_FADES = re.compile(r"\b(decay\w*|fad(?:e|es|ing)|forget\w*|leak\w*|exponential\w*)\b")
_ORDERED = re.compile(r"\b((?<!in )order\w*|convolution\w*|recurren\w*|shift\w*)\b")
_UNORDERED = re.compile(r"\b(ignor\w+|whatever|regardless|independent|invariant|bag|unordered|average|mean)\b")
_SPOKEN = {
    Slot.MIXER: re.compile(
        r"\b(mixers?|attention|attend\w*|quer(?:y|ies)|recurren\w*|convolution\w*|delta rule|state[- ]space|rnn|gru"
        r"|lstm|integrators?|memory|tokens|past|previous|earlier)\b"
    ),
    Slot.CHANNEL: re.compile(
        r"\b(feed[- ]?forward|ffn|mlps?|perceptrons?|hidden units?|experts?|swiglu|activation function"
        r"|gated linear unit)\b"
    ),
    Slot.NORM: re.compile(r"\b(?:re)?norm(?:s|ali[sz]\w*)?\b|\brms\b"),
    Slot.MODULATOR: re.compile(r"\b(modulators?|(?:whole|entire) blocks?|block (?:twice|again)|top-down)\b"),
}
_IN_TIME = re.compile(
    r"\b(time|previous|past|earlier|last|neighbour\w*|neighbor\w*|shift\w*|convolution\w*|running|moving|tokens?|context"
    r"|history|recurren\w*|window\w*)\b"
)


def spoken_slots(idea: str) -> set[Slot]:
    """Return the slots that the words of an idea speak of."""
    words = idea.lower()
    return {slot for slot, pattern in _SPOKEN.items() if pattern.search(words)}


def cost_class(said: CostClass, nearest: CostClass, idea: str) -> CostClass:
    """Return how the time of a component may grow.

    Args:
        said: What the model says.
        nearest: That of the component it is made from.
        idea: The idea, in a person's words.

    Returns:
        Linear if the words speak of a window; else the looser of the two, unless the words speak of something cheaper
        than that.
    """
    if window(idea) is not None:
        return CostClass.LINEAR
    words = idea.lower()
    if _ORDER.index(said) >= _ORDER.index(nearest):
        return nearest if _STATE.search(words) or _FADES.search(words) else said
    return said if _CHEAPER.search(words) else nearest


def promised(idea: str, slot: Slot, says: Sequence[str] = ()) -> dict[str, bool | int]:
    """Return the properties of a card that follow from an idea's words.

    Args:
        idea: The idea, in a person's words.
        slot: The slot of the component.
        says: What the model takes the words to say of a mixer: window, state, fades, order, no_order.
    """
    words = idea.lower()
    if slot is not Slot.MIXER:
        # What the slot is for: each position by itself. An idea that speaks of time may mean something else.
        by_itself = slot in (Slot.CHANNEL, Slot.NORM) and not _IN_TIME.search(words)
        return {"receptive_field": 1} if by_itself else {}
    claims: dict[str, bool | int] = {}
    size = window(words)
    if size is not None and "window" in says:
        claims["receptive_field"] = size
    if "state" in says and _STATE.search(words) and "attention" not in words:
        claims["recurrent_form"] = True
    if "fades" in says and _FADES.search(words) and "learned" not in words:
        claims["decay_of_influence"] = True
    if "no_order" in says and "order" not in says and _UNORDERED.search(words):
        claims["position_sensitive"] = False
    elif "order" in says and "no_order" not in says and _ORDERED.search(words):
        claims["position_sensitive"] = True
    return claims


def window(idea: str) -> int | None:
    """Return how many last positions the words of an idea say that it sees, or None if they say nothing of it."""
    for found in _WINDOW.finditer(idea.lower()):
        number = next(value for value in found.groups() if value is not None)
        size = int(number) if number.isdigit() else _NUMBERS.get(number, 0)
        if 1 <= size <= LONGEST_WINDOW:
            return size
    return None
