"""Mathematical notation in sketches: equations as papers write them, rewritten as lines of a sketch.

`y_t = W_o (h_t * sigmoid(W_g x_t))` becomes `y = W_o(h * sigmoid(W_g(x)))`, a recurrence `h_t = a_t * h_(t-1) + b_t`
becomes `h = recur(a, b)`. What is Python already stays as it is; what is not understood is left for the compiler to
complain about.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from neuramosaic.codegen.sketch.vocabulary import is_known

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "λ": "lam", "μ": "mu", "τ": "tau", "φ": "phi",
    "σ": "sigmoid", "⊙": "*", "·": "*", "×": "*", "∘": "*", "−": "-", "≤": "<=", "Σ": "sum", "∑": "sum", "√": "sqrt", "⊤": "T",
}  # fmt: skip
_LATEX = {
    r"\\odot|\\circ|\\cdot|\\times": "*", r"\\mathrm|\\text|\\operatorname|\\mathbf": "", r"\\left|\\right|\\,|\\;": "",
    r"\\top": "T", r"\\sigma": "sigmoid", r"\\sum": "sum", r"\\leq?": "<=", r"\\sqrt": "sqrt", r"\\tanh": "tanh", r"\\exp": "exp",
    r"\\(\w+)": r"\1",
}  # fmt: skip
_MAP = r"[WUV](?:_(?!t\b|s\b)\w+|')?|[wu]_(?!t\b|s\b|i\b|ts\b)\w+|[A-HJ-RX-Z](?![\w(])"
_NAME = r"[A-Za-z_]\w*"
#: Words of definitions by cases, and of choices among values.
_CONDITIONAL = re.compile(r"\b(else|otherwise|among|greatest|largest|strongest|top_k largest)\b")
#: Remarks behind an equation.
_CONDITION = re.compile(r",?\s*(?:for\s+)?(?:t\s*-\s*(\w+)\s*<\s*)?\(?s\s*<=\s*t\)?(?=\s*(,|;|$))")
_REMARK = re.compile(
    r"(,|;)?\s+(in \(|in \[|each per|per head|one (number|map|scalar|value)|where\b|with\b|for (all|each|every|head|s|t)\b|"
    r"initially|at first|elementwise|element by element|is a\b|if\b|\(all\b|, all\b)",
)


def transcribe(equations: Iterable[str]) -> list[str]:
    """Return the lines of a sketch that a card's equations make, the last one returned."""
    lines: list[str] = []
    for equation in equations:
        if _CONDITIONAL.search(equation) and " elsewhere" not in equation:
            return []  # what holds only sometimes is more than an expression
        per_head = re.search(r"per head|for each head|head by head|heads?\b.*split", equation) is not None
        for part in _clauses(equation):
            lines += _assignments(part, per_head)
    lines = _in_order(lines)
    if lines and "=" in lines[-1]:
        lines[-1] = "return " + lines[-1].split("=", 1)[1].strip()
    return lines


def _in_order(lines: list[str]) -> list[str]:
    """Put definitions before their uses: papers say afterwards what a symbol is."""
    left = [(re.sub(r"_(t|s|ts|h)$", "", line.split("=", 1)[0].strip()), line) for line in lines]
    ordered: list[str] = []
    while left:
        for place, (name, line) in enumerate(left):
            right = line.split("=", 1)[-1]
            others = [other for other, _ in left if other != name]
            if not any(
                re.search(rf"(?<![A-Za-z_]){re.escape(other)}(?:_(?:t|s|ts|h))?(?![\w(])", right) for other in others
            ):
                break
        else:
            place = 0
        ordered.append(left.pop(place)[1])
    return ordered


class Notation:
    """Rewrites the lines of one sketch: what one line says of a state or of weights is used in a later one."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, str, str]] = {}
        self._weights: dict[str, str] = {}
        self._functions: dict[str, tuple[str, str]] = {}

    def rewrite(self, line: str) -> str:
        """Return a line of a sketch, its mathematical notation rewritten; empty if it only says what others use."""
        if (
            not re.search(r"_\(?t|_\{|_s\b|_ij|_[ij]\b|\w \. \w|\bsum_|\^|\||\\|'", line)
            and _is_python(line)
            and not self._functions
        ):
            return line
        if "=" not in line and not line.strip().startswith("return"):
            return ""  # a remark
        text = _indexed_by_t(_plain(line))
        function = re.match(r"([A-Za-z]\w*)\(([A-Za-z])\)\s*=\s*(.+)$", text.strip())
        if function:
            self._functions[function[1]] = (function[2], function[3])
            return ""
        for name, (argument, body) in self._functions.items():
            text = re.sub(
                rf"\b{name}\(([^()]+)\)",
                lambda match, argument=argument, body=body: "(" + re.sub(rf"\b{argument}\b", match[1], body) + ")",
                text,
            )
        if re.fullmatch(r"\s*\w+_0\s*=\s*0\s*", text):
            return ""
        defined = re.match(rf"({_NAME}?)_(?:t|\(t\))\s*=\s*(.+)$", text.strip())
        if defined:
            name, right = defined[1], defined[2]
            before = rf"{name}_\(t\s*-\s*1\)"
            if re.search(before, right):
                if re.search(r"\(I\s*-", right) or re.search(
                    r"\b[kv]\w*\s*\*?\s*\(?[kv]\w*\)?\s*(\.mT|T\b)|outer\(", right
                ):
                    self._states[name] = _matrix_state(right, before)
                    return ""
                return f"{name} = {_vector_state(right, before)}"
        for name, (kind, decay, strength) in self._states.items():
            arguments = "q, k, v" + (f", {strength}" if kind == "delta_scan" else "") + (f", {decay}" if decay else "")
            read = rf"\bq(_t)?(\.mT)?\s*(\*|@|\.)?\s*{name}(_t)?\b|\b{name}(_t)?(\.mT)?\s*(\*|@)?\s*q(_t)?\b"
            text = re.sub(read, f"{kind}({arguments})", text)
        left, sign, right = text.partition("=")
        for name, value in self._weights.items():
            right = re.sub(rf"\b{name}_ts\b", lambda _match, value=value: f"({value})", right)
        weights = re.fullmatch(rf"\s*({_NAME})_ts\s*", left)
        if weights and sign:
            bare = re.fullmatch(r"\s*\((.*)\)\s*", right)
            self._weights[weights[1]] = bare[1] if bare and _closed(bare[1]) else right.strip()
            return ""
        text = left + sign + right
        if not sign:
            for name, value in self._weights.items():
                text = re.sub(rf"\b{name}_ts\b", lambda _match, value=value: f"({value})", text)
        return _expression(text).strip()


def _closed(text: str) -> bool:
    """Whether the brackets of a text match within it."""
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _is_python(line: str) -> bool:
    try:
        ast.parse(line.strip())
    except SyntaxError:
        return False
    return True


def _plain(text: str) -> str:
    for sign, word in _GREEK.items():
        text = text.replace(sign, word)
    for pattern, word in _LATEX.items():
        text = re.sub(pattern, word, text)
    text = re.sub(r"\b([A-Za-z]\w*?)'_", r"\1p_", text)
    text = re.sub(r"\b([A-Za-z]\w*)'", r"\1p", text)
    text = re.sub(r"\^\{?T\}?(?!\w)|\^\(T\)", ".mT", text)
    text = re.sub(
        r"_\{([^{}]*)\}", lambda match: f"_({match[1]})" if re.search(r"\W", match[1]) else f"_{match[1]}", text
    )
    return text.replace("{", "(").replace("}", ")").replace("^", "**")


def _clauses(equation: str) -> list[str]:
    """Return the equations of a line: it may hold several, and remarks."""
    text = _indexed_by_t(_plain(equation))
    text = re.sub(r"\[([^\[\];]+);\s*([^\[\];]+)\]", r"[\1, \2]", text)
    window = re.search(r"t\s*-\s*(\w+)\s*<\s*s\s*<=\s*t", text)
    text = re.sub(r"softmax over .*? of\s+(.+?)(?=,|;|$)", r"softmax(\1)", text)
    text = re.sub(r"sum_\(t\s*-\s*\w+\s*<\s*s\s*<=\s*t\)|sum_\(s\s*<=\s*t\)", "sum_s", text)
    text = _CONDITION.sub("", text)
    if window:
        text = re.sub(r"softmax_?\(?\w*\)?\s*\(", f"softmax_w{window[1]}(", text)
    parts = [part.strip() for part in re.split(r";|,?\s+where\s+(?!\w+ >=? )|,?\s+with\s+", text) if "=" in part]
    parts = [_REMARK.split(part)[0].rstrip(" ,.") if " elsewhere" not in part else part for part in parts]
    return [part for part in parts if _is_equation(part)]


def _is_equation(part: str) -> bool:
    """Whether what stands left of the sign is what an equation defines, and no sentence."""
    left = part.partition("=")[0].strip()
    return re.fullmatch(r"(?:log\s+)?[\[(]?[\w',(){}\[\]\s.-]*?[\])]?", left) is not None and not re.search(
        r"[A-Za-z]{2,}\s+[A-Za-z]", left.removeprefix("log ").replace("_", "")
    )


def _indexed_by_t(text: str) -> str:
    """Return an equation over positions i and j as one over t and s, and without the index of the channels."""
    if re.search(r"_ij\b|\bj\s*<=?\s*i\b|_\(j<=i\)", text) or re.search(r"_i\b.*_j\b", text):
        text = re.sub(r"\bj\s*<=\s*i\b", "s <= t", text)
        text = re.sub(r"_(ij|il)\b", "_ts", text)
        text = re.sub(r"sum_\(l\s*<=\s*i\)\s*(\w+\([^()]*\))", r"sum(\1)", text)
        text = re.sub(r"\bsum_j\b", "sum_s", text)
        text = re.sub(r"(?<=\w)_i\b", "_t", text)
        text = re.sub(r"(?<=\w)_j\b", "_s", text)
        text = re.sub(r"\bi\s*-\s*(\w+)\s*<\s*[js]", r"t - \1 < s", text)
    elif re.search(r"(?<=\w)_i\b", text.partition("=")[0]):
        text = re.sub(r"(?<=\w)_i\b", "_t", text)
    text = re.sub(r"_\(t\s*,\s*[dc]\)", "_t", text)
    text = re.sub(r"_\(t\s*-\s*1\s*,\s*[dc]\)", "_(t-1)", text)
    return re.sub(r"(?<=[a-z])_[dc]\b", "", text)


def _assignments(part: str, per_head: bool) -> list[str]:
    left, _, right = part.partition("=")
    left = left.strip()
    if left.startswith("log "):
        left, right = left.removeprefix("log ").strip(), f"exp({right.strip()})"
    groups = re.findall(r"\[([^\[\]]+)\]", left)
    values = _split(right)
    if groups and len(values) >= len(groups):
        lines = []
        for group, value in zip(groups, values, strict=False):
            names = [re.sub(r"_t$", "", name.strip()) for name in group.split(",")]
            size = f", {len(names)} * inner" if per_head else ""
            mapped = re.fullmatch(rf"({_MAP})\s*\(?\s*x(?:_t)?\s*\)?", value.strip())
            made = f"{mapped[1]}(x{size})" if mapped else _expression(value)
            lines.append(f"{', '.join(names)} = chunk({made}, {len(names)})")
        return lines
    names = _split(left)
    if len(names) > 1 and len(values) >= len(names):
        pairs = list(zip(names, values, strict=False))
    elif len(names) > 1:
        return []
    else:
        pieces = _split(part)
        if len(pieces) > 1 and sum("=" in piece for piece in pieces) > 1 and " elsewhere" not in part:
            return [line for piece in pieces if "=" in piece for line in _assignments(piece, per_head)]
        whole = right if " elsewhere" in right else values[0] if values else right
        pairs = [(left, whole)]
    return [_assignment(name.strip(), value.strip(), per_head) for name, value in pairs]


def _assignment(name: str, value: str, per_head: bool) -> str:
    value = re.sub(r"^(.+?)\s*/\s*\|\|?\s*\1\s*\|\|?(_2)?$", r"normalize(\1)", value)
    piecewise = re.fullmatch(r"(.+?)\s+(?:where|if)\s+(.+?)\s*(?:,|;)\s*(.+?)\s+(?:elsewhere|otherwise)", value)
    if piecewise:
        value = f"where({piecewise[2]}, {piecewise[1]}, {piecewise[3]})"
    if per_head and re.search(r"\bW_\w+", value) and re.match(r"[qkvu]\w?(_t)?$", name) and "split_heads" not in value:
        inner = re.fullmatch(r"normalize\((.+)\)", value)
        value = f"normalize(split_heads({inner[1]}))" if inner else f"split_heads({value})"
        value = re.sub(r"^split_heads\((.+?)\s*/\s*sqrt\((\w+)\)\)$", r"split_heads(\1) / sqrt(\2)", value)
        value = re.sub(r"^split_heads\((.+?)\s*\+\s*1\)$", r"split_heads(\1) + 1", value)
    return f"{name} = {value}"


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth, last = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append(text[last:index])
            last = index + 1
    return [part.strip() for part in [*parts, text[last:]] if part.strip()]


def _terms(text: str) -> list[str]:
    """Split a sum at its plus signs outside brackets."""
    terms, depth, last = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "+" and depth == 0:
            terms.append(text[last:index])
            last = index + 1
    return [term.strip() for term in [*terms, text[last:]]]


def _factor(term: str, before: str) -> str:
    """Return what multiplies the state before."""
    rest = re.sub(before, "", term).strip().strip("*").strip()
    return re.sub(r"\*\s*\*|\*\s*$", "", rest).strip() or "1"


def _vector_state(right: str, before: str) -> str:
    terms = _terms(right)
    old = [term for term in terms if re.search(before, term)]
    new = [term for term in terms if not re.search(before, term)]
    return f"recur({_expression(_factor(old[0], before))}, {_expression(' + '.join(new) or '0')})"


def _matrix_state(right: str, before: str) -> tuple[str, str, str]:
    terms = _terms(right)
    old = next(term for term in terms if re.search(before, term))
    factor = _factor(old, before)
    delta = re.search(r"\(I\s*-\s*([\w.]+?)\s*\*?\s*k\w*\s*\*?\s*k\w*(?:\.mT|T)\s*\)", factor)
    if delta:
        decay = factor.replace(delta[0], "").strip().strip("*").strip()
        return ("delta_scan", _expression(decay), _expression(delta[1]))
    decay = re.sub(r"(?i)\bdiag\b", "", factor)
    return ("matrix_scan", "" if decay.strip() in ("", "1") else _expression(decay), "")


def _expression(text: str) -> str:
    """Rewrite an expression."""
    text = re.sub(r"\s+in\s+[(\[].*$", "", text)
    text = re.sub(r"\bconcat_h\s*\(", "merge_heads(", text)
    text = re.sub(r"\b(mean|sum|max)_[dc]\b", r"\1", text)
    text = re.sub(
        r"\(?(\w+)_t\s*/\s*\|\|?\1_t\|\|?\)?\s*(?:\.|\*|@)\s*\(?(\w+)_s\s*/\s*\|\|?\2_s\|\|?\)?",
        r"cosine(\1, \2)",
        text,
    )
    text = re.sub(r"(\w+)\s*/\s*\|\|?\1\|\|?(_2)?", r"normalize(\1)", text)
    text = re.sub(r"\|([^|]+)\|\s*(?=\*\*)", r"abs(\1)", text)
    text = re.sub(r"\|\|?([^|]+)\|\|?(_2)?", r"norm(\1)", text)
    text = re.sub(r"\(?\b1\s*/\s*t\b\)?\s*\*?\s*sum_\(?(?:s\s*<=\s*t\)?|s\b)\s*(\w+)_s\b", r"running_mean(\1)", text)
    text = re.sub(
        r"\(?\b1\s*/\s*t\b\)?\s*\*?\s*sum_\(?(?:s\s*<=\s*t\)?|s\b)\s*\(?((?:%s)\s+\w+)_s\)?" % _MAP,
        r"running_mean(\1)",
        text,
    )
    text = re.sub(r"(\w+)\s*\*?\s*(\w+)\.mT\s*/\s*sqrt\((?:d|hd|d_k)\)", r"scores(\1, \2)", text)
    text = re.sub(r"\)_t\b", ")", text)
    text = re.sub(rf"\(((?:{_MAP})\s+{_NAME})\)_\(", r"\1_(", text)
    text = re.sub(r"\b(\w+)_t\s*\.\s*(\w+)_s\s*/\s*sqrt\((?:hd|d|d_k|head_dim|d_h)\)", r"scores(\1, \2)", text)
    text = re.sub(r"\bcos\((\w+?)(?:_t)?,\s*(\w+?)(?:_s)?\)", r"cosine(\1, \2)", text)
    text = re.sub(r"\b(\w+)_t\s*\.\s*(\w+)_s\b", r"(scores(\1, \2) * head_dim ** 0.5)", text)
    text = re.sub(r"\bsum_\(?(?:\w+\s*\(?)?s\s*<=\s*t\)?", "sum_s", text)
    if "sum_s" in text:
        text = _sum_over_past(text)
    # convolutions and windowed sums: sum_(i<K) w_i * z_(t-i)
    text = re.sub(r"(sum_\(?i\s*<\s*\w+\)?\s*(?:\w+_i\s*\*?\s*)?)\(([^()]+)\)_\(t", _named_sum, text)
    of = rf"((?:{_MAP})\s+)?\(?([A-Za-z][\w.]*)\)?_\(t\s*-\s*(\d*)\s*\*?\s*i\)"
    text = re.sub(rf"sum_\(?i\s*<\s*(\w+)\)?\s*\w+_i\s*\*?\s*{of}", _convolution, text)
    text = re.sub(rf"sum_\(?i\s*<\s*(\w+)\)?\s*{of}", _windowed_sum, text)
    text = re.sub(
        r"max_\(?\w+\s*<=?\s*(\w+)\)?\s*\(?\s*W_j\s*\(?(\w+)\)?(?:\s*\+\s*b_j)?\s*\)?",
        lambda m: f"group_max(linear({m[2]}, {m[1]} * d_model), {m[1]})",
        text,
    )
    text = re.sub(r"\b([A-Za-z]\w*)_\(t\s*-\s*1\)", r"shift(\1)", text)
    text = re.sub(r"\b([A-Za-z]\w*)_\(t\s*-\s*(\d+)\)", r"shift(\1, \2)", text)
    text = re.sub(r"softmax_w\w+\(|softmax_\(?\w*\)?\s*\(", "softmax(", text)
    text = re.sub(r"\bhd\b|\bd_k\b|\bd_h\b", "head_dim", text)
    try:
        return _Reader(text).read()
    except _Unread:
        return text


def _named_sum(match: re.Match[str]) -> str:
    """Give the bracket that a sum goes over the form of a name, so that the rules for names hold for it."""
    if re.fullmatch(rf"(?:{_MAP})\s+{_NAME}", match[2]):
        return f"{match[1]}{match[2]}_(t"
    return f"{match[1]}packed_{match[2].encode().hex()}_(t"


def _unpacked(name: str) -> str:
    return f"({bytes.fromhex(name.removeprefix('packed_')).decode()})" if name.startswith("packed_") else name


def _convolution(match: re.Match[str]) -> str:
    taps, wrapper, name, step = match[1], (match[2] or "").strip(), match[3], match[4]
    z = f"{wrapper}({name})" if wrapper else _unpacked(name)
    return f"causal_conv({z}, {taps}{', ' + step if step else ''})"


def _windowed_sum(match: re.Match[str]) -> str:
    taps, wrapper, name = match[1], (match[2] or "").strip(), match[3]
    z = f"{wrapper}({name})" if wrapper else _unpacked(name)
    return f"({taps} * running_mean({z}, {taps}))"


def _sum_over_past(text: str) -> str:
    """Rewrite `sum_s weights v_s`: attention, windowed where the softmax says so."""
    head, _, rest = text.partition("sum_s")
    match = re.match(r"(.+?)\s*\*?\s*\b(?!softmax)(\w+)_s\b(?!\s*\()(.*)$", rest.strip())
    if match is None:
        return text
    weights, values, tail = match[1].strip().rstrip("*").strip(), match[2], match[3]
    if weights.startswith("(") and weights.endswith(")") and _closed(weights[1:-1]):
        weights = weights[1:-1].strip()
    softmax = re.match(r"^\(?softmax(?:_w(\w+)|_\(?\w*\)?)?\s*\((.*)\)$", weights)
    if softmax is None:
        made = (
            f"causal({weights}) @ {values}"
            if re.search(r"scores|cosine", weights)
            else f"running_mean({weights} * {values}) * positions()"
        )
    elif softmax[1] is None:
        made = f"causal_softmax({softmax[2]}) @ {values}"
    else:
        logits, queries = softmax[2], re.search(r"(scores|cosine)\((\w+), (\w+)\)", softmax[2])
        if queries is None:
            return text
        scaled = f"normalize({queries[2]}) * head_dim ** 0.5" if queries[1] == "cosine" else queries[2]
        keys = f"normalize({queries[3]})" if queries[1] == "cosine" else queries[3]
        made = f"window_attention({logits.replace(queries[0], scaled)}, {keys}, {values}, {softmax[1]})"
    return f"{head}({made}){tail}"


#: Words that begin a remark behind an expression.
_PROSE = frozenset(
    "over the of in with where per each is are and as that than to computed so from at its both for by if when then elsewhere"
    " otherwise depthwise causal causally zeros shared rounded learned no not until before after element elementwise".split()
)


class _Unread(Exception):
    """Not an expression that this reader knows."""


_TOKEN = re.compile(
    r"\s*(\d+\.\d*(?:e-?\d+)?|\d+(?:e-?\d+)?|[A-Za-z_]\w*'?|\*\*|\.(?!mT\b)[A-Za-z]\w*|<=|>=|==|\.mT|[-+*/@(),<>=.\[\]:])"
)


class _Reader:
    """Reads an expression in which what stands side by side is applied (a map, a function) or multiplied."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = 0
        text = text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _Unread
            self._tokens.append(match[1])
            place = match.end()
        self._at = 0

    def read(self) -> str:
        """Return the whole as Python."""
        prefix = ""
        if self._peek() == "return":
            prefix, self._at = "return ", 1
        elif len(self._tokens) > 2 and self._tokens[1] == "=":
            prefix, self._at = f"{self._tokens[0]} = ", 2
        value = self._tuple()
        if self._at < len(self._tokens):
            raise _Unread
        return prefix + value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise _Unread
        self._at += 1
        return token

    def _tuple(self) -> str:
        items = [self._comparison()]
        while self._peek() == ",":
            self._take()
            items.append(self._comparison())
        return ", ".join(items)

    def _bracket(self) -> str:
        """Read `a, b]`: channels side by side."""
        items = [self._comparison()]
        while self._peek() in (",", ";"):
            self._take()
            items.append(self._comparison())
        self._expect("]")
        value = items[0]
        for item in items[1:]:
            value = f"concat({value}, {item})"
        return value

    def _comparison(self) -> str:
        value = self._sum()
        while self._peek() in ("<", "<=", ">", ">=", "=="):
            value += f" {self._take()} {self._sum()}"
        return value

    def _sum(self) -> str:
        value = self._product()
        while self._peek() in ("+", "-"):
            value += f" {self._take()} {self._product()}"
        return value

    def _product(self) -> str:
        value = self._factor()
        while True:
            token = self._peek()
            if token == ".":
                self._take()
                value = f"dot({value}, {self._factor()})"
            elif token in ("*", "/", "@"):
                self._take()
                value += f" {token} {self._factor()}"
            elif token in _PROSE:
                self._at = len(self._tokens)  # a remark; what came before it is the expression
                return value
            elif re.match(r"[A-Za-z_(\[\d]", token):
                value += f" * {self._factor()}"
            else:
                return value

    def _factor(self) -> str:
        if self._peek() in ("-", "+"):
            return self._take() + self._factor()
        value = self._atom()
        if self._peek() == "**":
            self._take()
            value += f" ** {self._factor()}"
        return value

    def _atom(self) -> str:
        token = self._take()
        if token == "(":
            value = f"({self._tuple()})"
            self._expect(")")
        elif token == "[":
            value = self._bracket()
        elif re.match(r"[A-Za-z_]", token):
            value = self._named(token)
        elif token[0].isdigit():
            value = token
        else:
            raise _Unread
        while self._peek().startswith(".") and len(self._peek()) > 1:
            value += self._take()
            if self._peek() == "(":
                self._take()
                value += "(" + ("" if self._peek() == ")" else self._tuple())
                self._expect(")")
                value += ")"
        return value

    def _named(self, name: str) -> str:
        is_map = re.fullmatch(_MAP, name) is not None
        is_function = is_map or is_known(re.sub(r"_(t|s)$", "", name)) or is_known(name)
        if self._peek() == "(" and is_function:
            self._take()
            arguments: list[str] = []
            while self._peek() != ")":
                argument = self._comparison()
                if self._peek() == "=":
                    self._take()
                    argument += f"={self._comparison()}"
                arguments.append(argument)
                if self._peek() == ",":
                    self._take()
            self._expect(")")
            return f"{name.rstrip(chr(39))}({', '.join(arguments)})"
        if is_map and self._peek() in ("*", "@"):
            self._take()
        if is_function and (re.match(r"[A-Za-z_(\[]", self._peek()) or (not is_map and self._peek()[:1].isdigit())):
            return f"{name.rstrip(chr(39))}({self._factor()})"
        return name.rstrip("'")

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _Unread


__all__ = ["Notation", "transcribe"]
