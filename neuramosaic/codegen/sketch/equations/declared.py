"""What the words of a card declare: which symbols are learned, their sizes, and where they start."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from neuramosaic.codegen.sketch.equations.tokens import normalised

_PROSE = frozenset(
    "with and where the of is are has have by for per each one an that which whose its as to from in on not also plus "
    "own separate single same shared both all constant fixed being here behind head channel heads".split()
)
_NAME = r"[A-Za-z][A-Za-z0-9]*'?(?:_\{\w+\}|_\(\w+\)|_[A-Za-z0-9]+|\^\{?\(?\w+\)?\}?)*"
_NAMES = rf"{_NAME}(?:\s*(?:,\s*and|,|and)\s+{_NAME})*"
_NOUN = (
    r"(?:vector|number|scalar|temperature|bias|weight|scale|gain|parameter|matrix|matrices|logit|table|map|projection|"
    r"sub-keys|constant|slope|decay|threshold|coefficient|taps|biases|scaling factor|factor)"
)
_LEARNED = re.compile(
    rf"\b(?:learned|learnable|trained|trainable)\s+(?P<words>(?:[a-z][a-z-]*\s+){{0,4}}?)(?P<noun>{_NOUN})s?\s+"
    rf"(?P<names>{_NAMES})(?P<rest>[^;.]*(?:\.\d[^;.]*)*)"
)
_IS_LEARNED = re.compile(
    rf"(?P<names>{_NAMES})\s+(?:is|are|being|:)?\s*(?:an?\s+|one\s+)?(?:learned|learnable|trained|trainable)\s+"
    rf"(?P<words>(?:[a-z][a-z-]*\s+){{0,3}}?)(?P<noun>{_NOUN})s?\b(?P<rest>[^;.]*(?:\.\d[^;.]*)*)"
)
_IN_SPACE = re.compile(
    rf"(?P<names>{_NAMES})\s+in\s+R(?:\s*\^\s*(?:\{{(?P<braced>[^}}]*)\}}|\((?P<bracketed>[^)]*)\)|(?P<one>\w+)))?"
)
_START = re.compile(
    r"(?:starts?|starting|initially|initiali[sz]ed)\s+(?:at|as|to|with)?\s*(?P<function>log|sqrt|exp)?\s*\(?\s*"
    r"(?P<number>-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*(?:/\s*(?P<below>\d+(?:\.\d+)?))?"
)
_STARTS = re.compile(rf"(?P<names>{_NAME})\s+{_START.pattern}")
_NORMAL = re.compile(r"N\(0,\s*(\d+(?:\.\d+)?)\s*(?:\^|\*\*)\s*\{?2")
_ELEMENTS = re.compile(
    r"(?:of|with|has|have)\s+(?P<size>[^,;]*?)\s+(?:elements|units|channels|features|entries|dimensions)\b"
)
_MATRIX = re.compile(r"\bof\s+(?P<rows>[\w() /*]+?)\s+(?:x|by|\*)\s+(?P<columns>[\w() /*]+?)(?=\s+per|\s+for|[,;.]|$)")
_SHAPED = re.compile(
    rf"\b(?:with|and|where|,)\s+(?P<names>{_NAMES})\s+(?:are\s+|is\s+)?of\s+(?:size\s+|shape\s+)?"
    r"(?P<rows>[\w() /*]+?)\s+(?:x|by|\*)\s+(?P<columns>[\w() /*]+?)(?=\s+per|\s+for|[,;.]|$)"
)
_MAPS = re.compile(rf"\b(?P<name>{_NAME})\s+maps\s+(?P<before>[^,;.]+?)\s+to\s+(?P<after>[^,;.]+?)\s*(?=[,;.]|$|and)")
_FUNCTIONS = {"log": math.log, "sqrt": math.sqrt, "exp": math.exp}


@dataclass
class Declared:
    """What is said of symbols besides their equations.

    Attributes:
        kinds: number, vector, per_head, matrix or learned, by name.
        sizes: Sizes as expressions, outermost first, by name.
        starts: First values by name.
        spreads: Standard deviations of what starts at random, by name.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    spreads: dict[str, str] = field(default_factory=dict)


def declared(equations: Iterable[str], names: Collection[str]) -> Declared:
    """Read what equations declare.

    Args:
        equations: Of a card.
        names: Its hyper-parameters.
    """
    found = Declared()
    for equation in equations:
        text = normalised(equation)
        plain = re.sub(r"\s+in\s+[(\[]\s*-?\d[^)\]]*[)\]](?!\s*\^)|\s+in\s+R(?!\w|\s*\^)", " ", text)
        for pattern in (_LEARNED, _IS_LEARNED):
            for match in pattern.finditer(plain):
                _learned(found, match, names, is_behind=pattern is _IS_LEARNED)
        for match in _IN_SPACE.finditer(text):
            shape = match["braced"] or match["bracketed"] or match["one"] or "1"
            sizes = [size(part, names) for part in re.split(r"\s(?:x|\*)\s|,|\bx\b", shape)]
            mentioned = listed(match["names"])
            if re.search(r"[-+*/=(.]\s*$", text[: match.start()]):
                mentioned = mentioned[1:]  # it ends the expression before
            for name in mentioned:
                if not all(sizes) and "(" not in name:
                    found.kinds[name] = "unknown"
                if all(sizes):
                    found.sizes.setdefault(name, tuple(part for part in sizes if part))
                    found.kinds.setdefault(name, "space" if len(sizes) == 1 else "matrix")
        for match in re.finditer(rf"(?P<names>{_NAMES})\s+in\s+[(\[]\s*0\s*,\s*1\s*[)\]]\s*\^", text):
            found.kinds |= dict.fromkeys(listed(match["names"]), "unknown")
        for match in _SHAPED.finditer(text):
            shape = tuple(size(match[part], names) for part in ("rows", "columns"))
            if all(shape):
                for name in listed(match["names"]):
                    found.sizes.setdefault(name, tuple(part for part in shape if part))
                    found.kinds.setdefault(name, "matrix")
        for match in _MAPS.finditer(text):
            if after := size(re.sub(r"^the\s+|\s+channels$", "", match["after"]), names):
                found.sizes[key(match["name"])] = (after,)
        for match in _STARTS.finditer(text):
            if value := _value(match):
                found.starts.setdefault(key(match["names"]), value)
    return found


def _learned(found: Declared, match: re.Match[str], names: Collection[str], *, is_behind: bool) -> None:
    if is_behind and match["names"] == "a" and not re.match(r"a\s+(?:a|is|one|,)\s", match[0]):
        return  # an article
    rest = re.split(r"\band the\b|\bwhere\b", match["rest"])[0]
    noun, words = match["noun"], f"{match['words']} {rest}"
    per_head = re.search(r"\bper head\b|\bfor each head\b|\bof (?:the|each|its) head\b|each head", words) is not None
    elements, matrix = _ELEMENTS.search(words), _MATRIX.search(words)
    for name in listed(match["names"]):
        if noun in ("number", "scalar", "temperature", "logit", "slope", "threshold", "coefficient", "decay", "factor"):
            found.kinds[name] = "per_head" if per_head else "number"
            if "per channel" in words or "each channel" in words:
                found.kinds[name] = "vector"
        elif matrix or noun in ("matrix", "matrices", "table", "map", "projection"):
            found.kinds[name] = "matrix"
            rows, columns = (size(matrix[part], names) if matrix else None for part in ("rows", "columns"))
            if rows and columns:
                found.sizes[name] = (rows, columns)
        elif noun == "vector" or elements:
            found.kinds[name] = "vector"
        else:
            found.kinds[name] = "per_head" if per_head else "learned"
        if elements and not matrix and (one := size(elements["size"], names)):
            found.sizes[name] = (one,)
        if (start := _START.search(words)) and (value := _value(start)):
            found.starts[name] = value
        if normal := _NORMAL.search(words):
            found.spreads[name] = normal[1]


def listed(text: str) -> list[str]:
    """Return the keys of names in a list, `a, b_h and c`."""
    return [
        key(item)
        for item in re.split(r"\s*(?:,\s*and\s|,|\band\s)\s*", text)
        if item.strip() and item.strip().lower() not in _PROSE
    ]


def key(name: str) -> str:
    """Return a name with its labels and without its indices: what `W_q^{(h)}` and `b_h` are kept under."""
    parts = re.findall(r"[A-Za-z0-9]+|'", name)
    base = "".join("p" if part == "'" else part for part in parts[:1])
    labels = [part for part in parts[1:] if part not in ("t", "s", "h", "'")]
    return "_".join([base + "p" * parts[1:].count("'"), *labels])


def size(text: str, names: Collection[str]) -> str | None:
    """Return a size as an expression, such as `4 D` as `4 * d_model`; None if it is none."""
    words = re.findall(r"[A-Za-z_]\w*|\d+|[*/+()^]", text.replace("\\cdot", "*"))
    parts: list[str] = []
    for word in words:
        word = _SIZE_NAMES.get(word, word) if word not in names else word
        known = word in names or word in ("d_model", "head_dim", "heads", "*", "/", "+", "(", ")")
        if not (known or re.fullmatch("[1-9][0-9]*", word)):
            return None
        if parts and parts[-1] not in ("*", "//", "+", "(") and word not in ("*", "/", "+", ")"):
            parts.append("*")
        parts.append("//" if word == "/" else word)
    found = " ".join(parts)
    return found if found and not re.search(r"[*/+(]\s*$", found) else None


_SIZE_NAMES = {
    "D": "d_model", "d": "head_dim", "d_h": "head_dim", "hd": "head_dim", "dmodel": "d_model", "H": "heads",
    "d_head": "head_dim", "d_k": "head_dim", "d_v": "head_dim",
}  # fmt: skip


def _value(match: re.Match[str]) -> str | None:
    try:
        value = float(match["number"]) / float(match["below"] or 1)
        if match["function"] and value > 0:
            value = _FUNCTIONS[match["function"]](value)
    except ArithmeticError:
        return None
    return repr(round(value, 6)) if math.isfinite(value) else None
