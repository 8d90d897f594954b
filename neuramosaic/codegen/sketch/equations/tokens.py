"""Equations as signs: LaTeX, Unicode and ASCII lead to the same ones."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


class NotReadError(Exception):
    """What this reader cannot read without guessing. Says what."""


#: Longest equation that is read, in characters.
LONGEST = 1000

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
    "psi omega"
).split()
GREEK = frozenset(
    [*_GREEK, "varepsilon", "varphi", "vartheta", "ell", "eps", "lam", *(name.title() for name in _GREEK)]
)
_SUBSCRIPTS = {
    "\u2090": "a", "\u2091": "e", "\u2095": "h", "\u1d62": "i", "\u2c7c": "j", "\u2096": "k", "\u2097": "l",
    "\u2098": "m", "\u2099": "n", "\u2092": "o", "\u209a": "p", "\u1d63": "r", "\u209b": "s", "\u209c": "t",
    "\u1d64": "u", "\u1d65": "v", "\u2093": "x", "\u208a": "+", "\u208b": "-", "\u208d": "(", "\u208e": ")",
    **{chr(0x2080 + digit): str(digit) for digit in range(10)},
}  # fmt: skip
_SUPERSCRIPTS = {
    "\u2070": "0", "\u00b9": "1", "\u00b2": "2", "\u00b3": "3", "\u207b": "-", "\u207a": "+", "\u1d40": "T",
    "\u02b0": "(h)", "\u2071": "i", "\u207f": "n", **{chr(0x2070 + digit): str(digit) for digit in range(4, 10)},
}  # fmt: skip
_MARKS = {"\u0303": "tilde", "\u0302": "hat", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot"}
_UNICODE = {
    "\u2299": " .* ", "\u2218": " .* ", "\u00d7": " * ", "\u00b7": " \\cdot ", "\u22c5": " \\cdot ", "\u2217": " * ",
    "\u2297": " \\otimes ", "\u2212": "-", "\u2264": "<=", "\u2265": ">=", "\u2211": "sum", "\u220f": "prod",
    "\u221a": " sqrt ", "\u22a4": "\\top ", "\u2225": "||", "\u2016": "||", "\u27e8": "\\langle ",
    "\u27e9": "\\rangle ", "\u2208": " in ", "\u211d": "R", "\u221e": "infinity", "\u2254": "=", "\u225c": "=",
    "\u2190": "=", "\u2032": "'", "\u2026": "...", "\u22ef": "...", "\u2113": "l", "\u2013": "-", "\u2044": "/",
}  # fmt: skip
#: What changes nothing of what an equation says.
_SILENT = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg|displaystyle|textstyle|nonumber|limits|,|;|!|:"
    r"| |quad|qquad)(?![A-Za-z])|\$|~"
)
_TRANSPARENT = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|mathit|vec|mathsf|mathtt|mathcal|mathscr|mathbb|pmb)\s*(?:\{\s*(\w+|\\\w+)\s*\}|(\w))"
)
_WORDS = re.compile(
    r"\\(?:mathrm|text|textrm|textit|textsf|texttt|mbox|operatorname\*?|rm|textbf)\s*\{\s*([^{}]*?)\s*\}"
)
_ACCENT = re.compile(
    r"\\(hat|tilde|bar|widehat|widetilde|overline|dot)\s*(?:\{\s*\\?(?:mathbf\{)?(\w+)\}?\s*\}|(?:\\(\w+)|(\w)))"
)
_COMMANDS = {
    "odot": " .* ", "circ": " .* ", "times": " * ", "ast": " * ", "star": " * ", "cdot": " \\cdot ", "le": "<=",
    "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">", "in": " in ",
    "lVert": "||", "rVert": "||", "Vert": "||", "|": "||", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "sum": "sum", "prod": "prod", "max": "max", "min": "min", "ldots": "...", "dots": "...", "cdots": "...",
    "infty": "infinity", "prime": "'", "colon": ":", "gets": "=", "leftarrow": "=", "triangleq": "=", "coloneqq": "=",
    "intercal": "\\top ", "lbrace": "{", "ell": "l", "coloneq": "=", "tfrac": "\\frac ", "dfrac": "\\frac ",
    "lbrack": "[", "rbrack": "]", "dotsc": "...", "forall": " for all ", "Re": "Re", "nicefrac": "\\frac ",
}  # fmt: skip
_KEPT = frozenset("frac sqrt cdot otimes top langle rangle begin end".split())
_TOKEN = re.compile(
    r"\d+\.\d+(?:e-?\d+)?|\d+(?:e-?\d+)?|[A-Za-z][A-Za-z0-9]*|\\[A-Za-z]+|\\\\|:=|\.\.\.?|\*\*|\.\*|\|\||<=|>=|<-|==|\S"
)


@dataclass(frozen=True)
class Token:
    """A sign.

    Attributes:
        text: As it is written.
        start: Where it begins.
        end: Where it ends.
    """

    text: str
    start: int
    end: int


def normalised(text: str) -> str:
    """Return an equation with one spelling for what LaTeX, Unicode and ASCII spell in several ways.

    Raises:
        NotReadError: If it is too long.
    """
    if len(text) > LONGEST:
        raise NotReadError(f"an equation of more than {LONGEST:,} characters")
    text = _accented(text)
    text = _grouped(text, _SUBSCRIPTS, "_")
    text = _grouped(text, _SUPERSCRIPTS, "^")
    for sign, plain in _UNICODE.items():
        text = text.replace(sign, plain)
    text = "".join(_letter(char) for char in text)
    text = _SILENT.sub(" ", text.replace("\\\\", " \ue000 "))
    for _ in range(3):
        text = _TRANSPARENT.sub(lambda found: found[1] or found[2], text)
    text = _WORDS.sub(lambda found: " " + re.sub(r"(?<=\w)-(?=\w)", "_", found[1]) + " ", text)
    text = _ACCENT.sub(_accent, text)
    text = re.sub(r"\\([A-Za-z]+|\|)", _command, text)
    text = text.replace("\ue000", "\\\\").replace("\\{", "(").replace("\\}", ")")
    text = text.replace("&", "," if "\\begin" in text else " ")
    text = re.sub(r"\b(RMS|Layer|L2|rms|layer)[ -](Norm|norm|normalization)\b", r"\1\2", text)
    text = re.sub(
        r"\b(rms|layer|l2|L2|RMS|leaky|causal|log)_(norm|Norm|relu|conv1d|conv|sigmoid|normalize)\b", r"\1\2", text
    )
    text = re.sub(r"\btop_k(?=\()", "topk", text)
    text = re.sub(r"\btop[- ]k\b(?=\s*\()|\bTop[_ -]?K\b", "topk", text)
    return text


def tokens(text: str) -> list[Token]:
    """Return the signs of a normalised equation."""
    return [Token(found[0], found.start(), found.end()) for found in _TOKEN.finditer(text)]


def _accented(text: str) -> str:
    """Write letters with a mark above as `h_tilde` is written here: `htilde`."""
    decomposed = unicodedata.normalize("NFD", text)
    for mark, word in _MARKS.items():
        decomposed = decomposed.replace(mark, word)
    return unicodedata.normalize("NFC", decomposed)


def _grouped(text: str, signs: dict[str, str], by: str) -> str:
    pattern = re.compile("[" + "".join(signs) + "]+")
    return pattern.sub(lambda found: by + "{" + "".join(signs[char] for char in found[0]) + "}", text)


def _letter(char: str) -> str:
    if char.isascii():
        return char
    name = unicodedata.name(char, "")
    if name.startswith("GREEK"):
        word = name.split()[-1].lower()
        word = {"lamda": "lambda"}.get(word, word)
        return f" {word.title() if 'CAPITAL' in name else word}"
    return unicodedata.normalize("NFKC", char)


def _accent(found: re.Match[str]) -> str:
    mark = {"widehat": "hat", "widetilde": "tilde", "overline": "bar"}.get(found[1], found[1])
    return f" {found[2] or found[3] or found[4]}{mark}"


def _command(found: re.Match[str]) -> str:
    name = found[1]
    if name in _KEPT:
        return f"\\{name} "
    if name in _COMMANDS:
        return _COMMANDS[name]
    return f" {name} " if name in GREEK or len(name) > 1 else found[0]
