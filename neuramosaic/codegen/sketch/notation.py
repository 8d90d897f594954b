"""Mathematical notation in sketches: equations as papers write them, rewritten as lines of a sketch.

`y_t = W_o (h_t * sigmoid(W_g x_t))` becomes `y = W_o(h * sigmoid(W_g(x)))`, a recurrence `h_t = a_t * h_(t-1) + b_t`
becomes `h = recur(a, b)`. What is Python already stays as it is; what is not understood is left for the compiler to
complain about.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from neuramosaic.codegen.sketch.clauses import assignments, clauses
from neuramosaic.codegen.sketch.phrases import rewrite_expression
from neuramosaic.codegen.sketch.signs import LONGEST, NAME, closed, over_positions, plain, spaced, without_index
from neuramosaic.codegen.sketch.states import MatrixState, before, is_matrix, matrix_state, vector_state

_MOST_LINES = 100
#: Words of definitions by cases, and of choices among values.
_CONDITIONAL = re.compile(r"\b(else|otherwise|among|greatest|largest|strongest|top_k largest)\b")
#: Signs of notation, in a line perhaps of Python: `h_t`, `w_(t-1)`, `v_{s}`, `a_ij`, `q . k`, `sum_`, `^`, `|`, primes.
_NOTATION = re.compile(r"_\(?t|_\{|_s\b|_ij|_[ij]\b|\w \. \w|\bsum_|\^|\||\\|'")
_FUNCTION = re.compile(r"([A-Za-z]\w*)\(([A-Za-z])\)\s*=\s*(.+)$")  # phi(z) = elu(z) + 1
_DEFINITION = re.compile(rf"({NAME}?)_(?:t|\(t\))\s*=\s*(.+)$")  # h_t = ...
_STATEMENT = re.compile(r"\s*(for|while|if|else|def|class|import|from|with|try|del|assert|raise|lambda)\b")
_FIRST_STATE = re.compile(r"\s*\w+_0\s*=\s*0\s*")  # S_0 = 0
_WEIGHTS = re.compile(rf"\s*({NAME})_ts\s*")  # w_ts


def transcribe(equations: Iterable[str]) -> list[str]:
    """Return the lines of a sketch that a card's equations make, the last one returned.

    No lines if an equation is more than an expression: a definition by cases, a choice among values, or too long.
    """
    lines: list[str] = []
    for equation in map(spaced, equations):
        if len(equation) > LONGEST or (_CONDITIONAL.search(equation) and " elsewhere" not in equation):
            return []
        per_head = re.search(r"per head|for each head|head by head|heads?\b.*split", equation) is not None
        lines += [line for part in clauses(equation) for line in assignments(part, per_head)]
    if len(lines) > _MOST_LINES:
        return []
    lines = _in_order(lines)
    outputs = [place for place, line in enumerate(lines) if without_index(line.split("=", 1)[0].strip()) == "y"]
    if outputs:  # what stands behind the output, another form of it say, is not needed for it
        lines = lines[: outputs[-1] + 1]
    if lines:
        lines[-1] = "return " + lines[-1].split("=", 1)[1].strip()
    return lines


def _in_order(lines: list[str]) -> list[str]:
    """Put definitions before their uses: papers say afterwards what a symbol is."""
    names = [without_index(line.split("=", 1)[0].strip()) for line in lines]
    uses = {
        name: re.compile(rf"(?<![A-Za-z_]){re.escape(name)}(?:_(?:t|s|ts|h))?(?![\w(])")
        for name in dict.fromkeys(names)
    }
    needed = [
        {name for name, use in uses.items() if name != own and use.search(line.split("=", 1)[-1])}
        for own, line in zip(names, lines, strict=True)
    ]
    left, ordered = list(range(len(lines))), []
    while left:
        open_names = {names[place] for place in left}
        ready = next((place for place in left if not needed[place] & open_names), left[0])
        left.remove(ready)
        ordered.append(lines[ready])
    return ordered


class Notation:
    """Rewrites the lines of one sketch: what one line says of a state or of weights is used in a later one."""

    def __init__(self) -> None:
        self._states: dict[str, MatrixState] = {}
        self._weights: dict[str, str] = {}
        self._functions: dict[str, tuple[str, str]] = {}

    def rewrite(self, line: str) -> str:
        """Return a line of a sketch, its mathematical notation rewritten; empty if it only says what others use."""
        if len(line) > LONGEST or (not _NOTATION.search(line) and _is_python(line) and not self._functions):
            return line
        if _STATEMENT.match(line):
            return line  # Python, of which the compiler says that it has no place here
        if "=" not in line and not line.strip().startswith("return"):
            return ""  # a remark
        text = over_positions(plain(line))
        if function := _FUNCTION.match(text.strip()):
            self._functions[function[1]] = (function[2], function[3])
            return ""
        text = self._with_functions(text)
        if _FIRST_STATE.fullmatch(text):
            return ""
        if (defined := _DEFINITION.match(text.strip())) and before(defined[1]).search(defined[2]):
            return self._state(defined[1], defined[2])
        for name, state in self._states.items():
            text = state.read(text, name)
        left, sign, right = text.partition("=")
        weights = _WEIGHTS.fullmatch(left)
        if weights and sign:
            right = self._with_weights(right)
            bare = re.fullmatch(r"\s*\((.*)\)\s*", right)
            self._weights[weights[1]] = bare[1] if bare and closed(bare[1]) else right.strip()
            return ""
        text = left + sign + self._with_weights(right) if sign else self._with_weights(text)
        return rewrite_expression(text).strip()

    def _state(self, name: str, right: str) -> str:
        """Take note of a state that is a matrix; return the line of one that is a vector."""
        if not is_matrix(right):
            return vector_state(name, right)
        self._states[name] = matrix_state(name, right)
        return ""

    def _with_functions(self, text: str) -> str:
        """Return a line with the bodies of functions that earlier lines defined, `phi(z) = ...`, in place of calls."""
        for name, (argument, body) in self._functions.items():
            use, own = re.compile(rf"\b{name}\(([^()]+)\)"), re.compile(rf"\b{argument}\b")
            parts, last = [], 0
            for call in use.finditer(text):
                parts += [text[last : call.start()], "(", call[1].join(own.split(body)), ")"]
                last = call.end()
            text = "".join([*parts, text[last:]])
            if len(text) > LONGEST:
                break
        return text

    def _with_weights(self, text: str) -> str:
        """Return a line with the weights that earlier lines defined, `w_ts = ...`, in place of their names."""
        for name, value in self._weights.items():
            text = f"({value})".join(re.split(rf"\b{name}_ts\b", text))
        return text


def _is_python(line: str) -> bool:
    try:
        ast.parse(line.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
