"""What the remarks of a card's equations say: sizes of maps, constants, where learned numbers start."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from neuramosaic.components.card import Card

_SIZE = r"((?:\d+|[a-z]\w*|D|d)(?:\s*[*/ ]\s*(?:\d+|[a-z_]+|D|d))*?)"
_HIDDEN = re.compile(rf"with {_SIZE} hidden (?:units|elements|channels|features)")
_ELEMENTS = re.compile(rf"(?:each of|each with|with|has|have|,)\s+{_SIZE} (?:elements|units|channels|features)(?! per)")
_MAPS = re.compile(rf"\b([A-Z]\w*) maps \S.*? to {_SIZE}\s*(?:[,;.]|$)")
_CONSTANT = re.compile(r"\b([a-zA-Z]\w*)\s*=\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w*^/(.])(?!\s*[-+*/^(])")
_START = re.compile(
    r"\b(?:learned|trained)\b[^,;.]*?\b(?:number|scalar|vector|parameter|weight|temperature|gain|scale|bias)s?\s+(\w+)[^,;]*?"
    r"(?:starts?|starting|initially|initialised)\s+(?:at|as|to|with)?\s*([\w./() ]+)"
)
_NORMAL = re.compile(r"N\(0,\s*([\d.]+)\s*(?:\^|\*\*)\s*2\)")
_NUMBER = re.compile(r"\blearned (?:number|scalar|temperature)s?\s+(\w+)")
_TAPS = re.compile(r"(\d+)[- ]taps?|kernel (?:size |of )?(\d+)|width (\d+)")


@dataclass(frozen=True)
class Facts:
    """What is said besides the equations.

    Attributes:
        map_sizes: Size of what a named map makes, as an expression.
        constants: Numbers by name.
        starts: First values of learned symbols, by name.
        numbers: Symbols that are one number.
        taps: Taps of convolutions that say no number themselves, or None.
        spreads: Standard deviation of learned symbols that start at random, by name.
    """

    map_sizes: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    taps: int | None = None
    spreads: dict[str, str] = field(default_factory=dict)


def facts_of(card: Card) -> Facts:
    """Read the remarks of a card's equations."""
    names = {item.name for item in card.hyperparameters}
    sizes: dict[str, str] = {}
    for equation in card.equations:
        if equation.lstrip().startswith("["):
            continue  # one map makes several values: its size is theirs together
        formula = re.split(r",?\s+with\s", equation)[0]
        maps = re.findall(r"\b[WUV]_\w+|\b[UVW]\b", formula)
        hidden, elements = (_first_size(pattern, equation, names) for pattern in (_HIDDEN, _ELEMENTS))
        if hidden:
            sizes |= dict.fromkeys(maps[1:], hidden)  # the first is the outermost
        elif elements:
            sizes |= dict.fromkeys(maps, elements)
        for name, text in _MAPS.findall(equation):
            if size := _size(text, names):
                sizes[name] = size
    text = "\n".join(card.equations)
    taps = _TAPS.search(text + "\n" + card.summary)
    starts = {name: value for name, words in _START.findall(text) if (value := _value(words))}
    spreads: dict[str, str] = {}
    for equation in card.equations:
        normal = _NORMAL.search(equation)
        said = re.search(r"\blearned\b(.*)", equation)
        if normal and said:
            spreads |= dict.fromkeys(re.findall(r"\b[A-Za-z]\w*\d|\b[A-Za-z](?:_\w+)?\b", said[1]), normal[1])
    return Facts(
        spreads=spreads,
        map_sizes=sizes,
        constants={
            name: value for name, value in _CONSTANT.findall(text) if not name.endswith("_0") and name not in names
        },
        starts=starts,
        numbers=frozenset(_NUMBER.findall(text)),
        taps=int(next(item for item in taps.groups() if item)) if taps else None,
    )


def _first_size(pattern: re.Pattern[str], text: str, names: set[str]) -> str | None:
    """Return the first size that a pattern finds, wherever it may begin."""
    found = (pattern.match(text, place) for place in range(len(text)))
    return next((size for match in found if match and (size := _size(match[1], names))), None)


def _size(text: str, names: set[str]) -> str | None:
    """Return a size as an expression, such as `4 D` as `4 * d_model`; None if it is none."""
    words = re.findall(r"\w+|[*/]", text)
    parts: list[str] = []
    for word in words:
        word = {"D": "d_model", "d": "head_dim"}.get(word, word)
        if not (word in names or word in ("d_model", "head_dim", "heads", "*", "/") or word.isdigit()):
            return None
        if parts and parts[-1] not in "*/" and word not in "*/":
            parts.append("*")
        parts.append("//" if word == "/" else word)
    return " ".join(parts) or None


def _value(words: str) -> str | None:
    """Return the number that words such as `log 10`, `1/2` or `0` are; None if they are none."""
    found = re.match(r"\s*(log|sqrt|exp)?\s*\(?\s*(-?\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?))?", words)
    if found is None:
        return None
    value = float(found[2]) / float(found[3] or 1)
    if found[1]:
        value = {"log": math.log, "sqrt": math.sqrt, "exp": math.exp}[found[1]](value) if value > 0 else value
    return repr(round(value, 6))
