"""The signs of mathematical notation: Greek and LaTeX as words, indices of positions, brackets that match."""

from __future__ import annotations

import re

#: Longest equation or line that is read as notation, in characters; a longer one is left as it is.
LONGEST = 1000

#: A learned map, which is applied to what stands behind it: `W`, `W_o`, `V'`, `w_gate`; not `w_t`, which is a vector.
MAP = r"[WUV](?:_(?!t\b|s\b)\w+|')?|[wu]_(?!t\b|s\b|i\b|ts\b)\w+|[A-HJ-RX-Z](?![\w(])"
#: What a definition gives a name to.
NAME = r"[A-Za-z_]\w*"

_SIGNS = {
    "\u03b1": "alpha", "\u03b2": "beta", "\u03b3": "gamma", "\u03b4": "delta", "\u03b5": "eps", "\u03bb": "lam",
    "\u03bc": "mu", "\u03c4": "tau", "\u03c6": "phi", "\u03c3": "sigmoid",
    "\u2299": "*", "\u00b7": "*", "\u00d7": "*", "\u2218": "*",  # a dot in a circle, a dot, a cross, a ring
    "\u2212": "-", "\u2264": "<=", "\u03a3": "sum", "\u2211": "sum", "\u221a": "sqrt", "\u22a4": "T",
}  # fmt: skip
_LATEX = {
    r"\\odot|\\circ|\\cdot|\\times": "*",
    r"\\mathrm|\\text|\\operatorname|\\mathbf": "",
    r"\\left|\\right|\\,|\\;": "",
    r"\\top": "T",
    r"\\sigma": "sigmoid",
    r"\\leq?": "<=",
    r"\\(\w+)": r"\1",  # \sum, \sqrt, \tanh, \exp
    r"\blambda\b": "lam",  # a word that Python keeps for itself
}


def plain(text: str) -> str:
    """Return a text in ASCII, as a person would type it: `_{t-1}` as `_(t-1)`, `^T` as `.mT`, primes as `p`."""
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    for pattern, word in _LATEX.items():
        text = re.sub(pattern, word, text)
    text = re.sub(r"\b([A-Za-z]\w*?)'_", r"\1p_", text)  # k'_t
    text = re.sub(r"\b([A-Za-z]\w*)'", r"\1p", text)  # k'
    text = re.sub(r"\^\{?T\}?(?!\w)|\^\(T\)", ".mT", text)  # k^T, k^{T}, k^(T)
    text = re.sub(r"_\{([^{}]*)\}", _index, text)  # h_{t-1}, W_{out}
    return text.replace("{", "(").replace("}", ")").replace("^", "**")


def _index(match: re.Match[str]) -> str:
    return f"_({match[1]})" if re.search(r"\W", match[1]) else f"_{match[1]}"


def over_positions(text: str) -> str:
    """Return an equation over positions i and j as one over t and s, and without the index of the channels."""
    # w_ij, sum_(j<=i), or q_i and k_j in one equation
    if re.search(r"_ij\b|\bj\s*<=?\s*i\b", text) or re.search(r"_i\b.*_j\b", text):
        text = re.sub(r"\bj\s*<=\s*i\b", "s <= t", text)
        text = re.sub(r"_(ij|il)\b", "_ts", text)
        text = re.sub(r"sum_\(l\s*<=\s*i\)\s*(\w+\([^()]*\))", r"sum(\1)", text)  # sum_(l<=i) exp(a_il)
        text = re.sub(r"\bsum_j\b", "sum_s", text)
        text = re.sub(r"(?<=\w)_i\b", "_t", text)
        text = re.sub(r"(?<=\w)_j\b", "_s", text)
        text = re.sub(r"\bi\s*-\s*(\w+)\s*<\s*[js]", r"t - \1 < s", text)  # i - w < j
    elif "=" in text and re.search(r"(?<=\w)_i\b", text.partition("=")[0]):  # y_i = ...
        text = re.sub(r"(?<=\w)_i\b", "_t", text)
    text = re.sub(r"_\(t\s*,\s*[dc]\)", "_t", text)  # h_(t, d)
    text = re.sub(r"_\(t\s*-\s*1\s*,\s*[dc]\)", "_(t-1)", text)  # h_(t-1, d)
    return re.sub(r"(?<=[a-z])_[dc]\b", "", text)  # a_d


def spaced(text: str) -> str:
    """Return a text with single spaces, none around it."""
    return " ".join(text.split())


def without_index(name: str) -> str:
    """Return a name without its index: `h_t` and `h_ts` are `h`."""
    return re.sub(r"_(t|s|ts|h)$", "", name)


def closed(text: str) -> bool:
    """Whether the brackets of a text match within it."""
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def split_at(sign: str, text: str) -> list[str]:
    """Split a text at a sign wherever it stands outside brackets."""
    parts, depth, last = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == sign and depth == 0:
            parts.append(text[last:index].strip())
            last = index + 1
    return [*parts, text[last:].strip()]
