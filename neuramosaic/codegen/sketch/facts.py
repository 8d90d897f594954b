"""What the remarks of a card's equations say: sizes of maps, constants, where learned numbers start."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from neuramosaic.codegen.sketch.signs import LONGEST, spaced
from neuramosaic.components.card import Card

#: A number as Python has it: `0.5`, not `007`.
_DECIMAL = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
#: A number of channels: `4 D`, `D / 4`, `expansion * d`, `64`.
_SIZE = r"((?:\d+|[a-z]\w*|D|d)(?:\s*[*/ ]\s*(?:\d+|[a-z_]+|D|d))*?)"
_HIDDEN = re.compile(rf"with {_SIZE} hidden (?:units|elements|channels|features)")  # with 4 D hidden units
#: `z_t has D / 4 elements`, `, 2 D channels`
_ELEMENTS = re.compile(rf"(?:each of|each with|with|has|have|,)\s+{_SIZE} (?:elements|units|channels|features)(?! per)")
_MAPS = re.compile(rf"\b([A-Z]\w*) maps \S.*? to {_SIZE}\s*(?:[,;.]|$)")  # W maps D channels to D / 4
_CONSTANT = re.compile(rf"\b([a-zA-Z]\w*)\s*=\s*(-?{_DECIMAL}(?:e-?[0-9]+)?)(?![\w*^/(.])(?!\s*[-+*/^(])")  # c = 8
#: `one learned number tau per head starting at log 10`
_START = re.compile(
    r"\b(?:learned|trained)\b[^,;.]{0,120}?"
    r"\b(?:number|scalar|vector|parameter|weight|temperature|gain|scale|bias)s?\s+(\w+)[^,;]{0,120}?"
    r"(?:starts?|starting|initially|initialised)\s+(?:at|as|to|with)?\s*([\w./() ]+)"
)
_NORMAL = re.compile(rf"N\(0,\s*({_DECIMAL})\s*(?:\^|\*\*)\s*2\)")  # N(0, 0.1^2)
_NUMBER = re.compile(r"\blearned (?:number|scalar|temperature)s?\s+(\w+)")  # a learned number tau
_TAPS = re.compile(r"(\d+)[- ]taps?|kernel (?:size |of )?(\d+)|width (\d+)")  # 4 taps, kernel size 3, width 4
#: A symbol in the list that follows `learned`: `q1 and k_h`.
_SYMBOL = re.compile(r"\b[A-Za-z]\w*\d|\b[A-Za-z](?:_\w+)?\b")
#: A first value: `log 10`, `1/2`, `sqrt(0.5)`.
_FIRST_VALUE = re.compile(r"\s*(log|sqrt|exp)?\s*\(?\s*(-?\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?))?")

_FUNCTIONS = {"log": math.log, "sqrt": math.sqrt, "exp": math.exp}


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
    equations = [equation for equation in map(spaced, card.equations) if len(equation) <= LONGEST]
    names = {item.name for item in card.hyperparameters}
    text = "\n".join(equations)
    taps = _TAPS.search(text + "\n" + card.summary)
    constants = {name: value for name, value in _CONSTANT.findall(text) if not name.endswith("_0")}
    return Facts(
        map_sizes=_map_sizes(equations, names),
        constants={name: value for name, value in constants.items() if name not in names},
        starts={name: value for name, words in _START.findall(text) if (value := _value(words))},
        numbers=frozenset(_NUMBER.findall(text)),
        taps=int(next(item for item in taps.groups() if item)) if taps else None,
        spreads=_spreads(equations),
    )


def _map_sizes(equations: Iterable[str], names: set[str]) -> dict[str, str]:
    sizes: dict[str, str] = {}
    for equation in equations:
        if equation.startswith("["):
            continue  # one map makes several values: its size is theirs together
        formula = re.split(r",?\s+with\s", equation)[0]
        maps = re.findall(r"\b[WUV]_\w+|\b[UVW]\b", formula)
        hidden, elements = (_first_size(pattern, equation, names) for pattern in (_HIDDEN, _ELEMENTS))
        if hidden:
            sizes |= dict.fromkeys(maps[1:], hidden)  # the first is the outermost
        elif elements:
            whole = re.sub(r"\bhead_dim\b", "inner", elements) if "heads" in names else elements
            sizes |= dict.fromkeys(maps, whole)  # what is said of a head holds for each
        for name, words in _MAPS.findall(equation):
            if size := _size(words, names):
                sizes[name] = size
    return sizes


def _spreads(equations: Iterable[str]) -> dict[str, str]:
    spreads: dict[str, str] = {}
    for equation in equations:
        normal, said = _NORMAL.search(equation), re.search(r"\blearned\b(.*)", equation)
        if normal and said:
            spreads |= dict.fromkeys(_SYMBOL.findall(said[1]), normal[1])
    return spreads


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
        if not (
            word in names or word in ("d_model", "head_dim", "heads", "*", "/") or re.fullmatch("[1-9][0-9]*", word)
        ):
            return None
        if parts and parts[-1] not in ("*", "//") and word not in ("*", "/"):
            parts.append("*")
        parts.append("//" if word == "/" else word)
    return " ".join(parts) or None


def _value(words: str) -> str | None:
    """Return the number that words such as `log 10`, `1/2` or `0` are; None if they are none."""
    found = _FIRST_VALUE.match(words)
    if found is None:
        return None
    try:
        value = float(found[2]) / float(found[3] or 1)
        if found[1] and value > 0:
            value = _FUNCTIONS[found[1]](value)
    except ArithmeticError:  # 1/0, exp 1000
        return None
    return repr(round(value, 6)) if math.isfinite(value) else None
