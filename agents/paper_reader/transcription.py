"""Equations that a model copied from the broken text of a PDF: what the passage supports, and what is missing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from agents.paper_reader.plain import canonical, plain
from neuramosaic.components.spec import Slot

#: The most equations of a card that come from a paper.
MOST_EQUATIONS = 8
#: Longest equation that is kept, in characters.
LONGEST_EQUATION = 240
#: Share of an equation's symbols that its passage has to hold.
SUPPORT = 0.6
_SYMBOL = re.compile(r"(?<![A-Za-z])([A-Za-z]+)(?:_(?:\([^)]*\)|\{[^}]*\}|\w+))?")
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi pi rho sigma tau phi chi psi omega".split()
)
#: What else Greek letters are called.
_CALLED = {"lam": "lamda", "lambda": "lamda", "eps": "epsilon"}
#: Functions of the notation, and what a paper may write for them: patterns of folded text.
_FUNCTIONS = {
    "sigmoid": r"\u03c3|sigm|logistic", "tanh": "tanh", "relu": r"relu|max\s*\(?\s*0|[\u03c6\u03d5]",
    "silu": r"silu|swish|\u03c3", "swish": r"swish|silu|\u03c3", "gelu": r"gelu|[\u03c6\u03d5]", "elu": "elu",
    "exp": r"exp|\be", "log": r"log|\bln", "softmax": "softmax|exp", "sqrt": r"\u221a|sqrt|/2|\bd",
    "softplus": "softplus|log", "sum": r"\u2211|\u03c3|\u03a3|sum|\bp\b|\bx\b", "max": "max", "min": "min",
    "cos": "cos", "sin": "sin", "norm": r"norm|\||\u2225", "normalize": r"norm|\||\u2225", "abs": r"\|",
    "mean": r"mean|average|\u03bc|\u2211", "clamp": "clamp|clip", "rms_norm": "rms|norm", "layer_norm": "norm",
    "conv": "conv",
}  # fmt: skip
#: What every equation may hold: the input and the output, learned maps, and indices.
_FREE = frozenset("x y W w U V b t s i j T d D I".split())
_INDEXED = re.compile(r"(?<![\w.])([A-Za-z]+)_([tsij])(?!\w)(?!\s*\()")
_WORDS = frozenset("with where and for one per head learned starting at of the".split())
_LAMBDA = re.compile(r"(?<![\\A-Za-z])lambda(?![A-Za-z])")
_OUTPUT = re.compile(r"^\s*(?:y|o|out|output|Y|O)(?:_t|_i|_n)?\s*=")


def tidy(line: str) -> str:
    """Return an equation on one plain line, without its number, and with names that are none of the language."""
    text = plain(line, LONGEST_EQUATION)
    text = re.sub(r"\s*\(\d{1,3}[a-z]?\)\s*[.,]?$", "", text).strip().rstrip(".,;")
    return _LAMBDA.sub("lam", text)


def problem(line: str) -> str | None:
    """Return why a line is no equation, or None."""
    left, equals, right = line.partition("=")
    if not equals or not left.strip() or not right.strip():
        return f"{line!r} is no equation: write `name_t = ...`"
    if not re.search(r"[A-Za-z]", right) and not re.search(r"\d", right):
        return f"{line!r} has nothing on its right side"
    return None


def symbols(line: str) -> list[str]:
    """Return the names of an equation that a passage has to hold: no input, no output, no learned map, no index."""
    names = dict.fromkeys(found[1] for found in _SYMBOL.finditer(line))
    return [name for name in names if name not in _FREE and name not in _WORDS]


def supported(line: str, passage: str) -> bool:
    """Whether a passage holds most of the symbols and functions of an equation."""
    text = unicodedata.normalize("NFKC", passage)
    folded, spread = text.casefold(), unicodedata.normalize("NFKD", passage)
    wanted = symbols(line)
    if not wanted:
        return bool(re.search(r"[=←:]", text))
    return sum(_holds(name, folded, spread) for name in wanted) / len(wanted) >= SUPPORT


def undefined(equations: Sequence[str], slot: Slot) -> list[str]:
    """Return the sequences that equations use and none defines, such as q of q_t; the input is none of them."""
    defined = {name for line in equations for name in _names(line.partition("=")[0])}
    used = [found[1] for line in equations for found in _INDEXED.finditer(line.partition("=")[2])]
    free = {"x", "y", "softmax", "sum", "w", "W"} | ({"f"} if slot is Slot.MODULATOR else set())
    return [name for name in dict.fromkeys(used) if name not in defined | free]


def has_output(equations: Iterable[str]) -> bool:
    """Whether a line says what the output is."""
    return any(_OUTPUT.match(line) for line in equations)


def same_equations(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists of equations are written alike, but for spaces and order."""

    def bare(lines: Sequence[str]) -> set[str]:
        return {re.sub(r"[\s.,;]", "", line) for line in lines if "=" in line}

    return bool(bare(first)) and bare(first) == bare(second)


def _names(left: str) -> list[str]:
    return [found[1] for found in re.finditer(r"(?<![\w.])([A-Za-z]+)(?:_\w+)?", left)]


def _holds(name: str, folded: str, spread: str) -> bool:
    """Whether a text holds a name: a function in any spelling, a Greek letter by its sign, a letter as it is."""
    word = name.lower()
    if word in _FUNCTIONS:
        return re.search(_FUNCTIONS[word], folded) is not None
    if (letter := _CALLED.get(word, word)) in _GREEK:
        return unicodedata.lookup(f"GREEK SMALL LETTER {letter}") in folded or word in folded
    if len(name) == 1:  # subscripts stick to it in the text of a PDF
        return name in spread
    return canonical(name) in canonical(folded)
