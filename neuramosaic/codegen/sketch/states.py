"""Recurrences: a definition by the state before, as a scan over time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from neuramosaic.codegen.sketch.phrases import rewrite_expression
from neuramosaic.codegen.sketch.signs import split_at

#: `(I - b_t k_t k_t^T)`, which the delta rule multiplies the state by; transposes are `.mT` by now.
_DELTA = re.compile(r"\(I\s*-\s*([\w.]+?)\s*\*?\s*k\w*\s*\*?\s*k\w*(?:\.mT|T)\s*\)")
#: `k_t v_t^T`, `v_t (k_t).mT`, `outer(k, v)`: what makes a state a matrix.
_OUTER = re.compile(r"\(I\s*-|\b[kv]\w*\s*\*?\s*\(?[kv]\w*\)?\s*(\.mT|T\b)|outer\(")


@dataclass(frozen=True)
class MatrixState:
    """A state that is a matrix per head, read by queries.

    Attributes:
        scan: The function that reads it: matrix_scan or delta_scan.
        strength: Strength of the delta rule; empty without one.
        decay: What the state before is multiplied by; empty if nothing.
    """

    scan: str
    strength: str
    decay: str

    def read(self, text: str, name: str) -> str:
        """Rewrite the places where queries read the state, such as `q_t S_t` or `S_t^T q_t`."""
        arguments = ", ".join(item for item in ("q, k, v", self.strength, self.decay) if item)
        reading = rf"\bq(_t)?(\.mT)?\s*(\*|@|\.)?\s*{name}(_t)?\b|\b{name}(_t)?(\.mT)?\s*(\*|@)?\s*q(_t)?\b"
        call = f"{self.scan}({arguments})"
        return re.sub(reading, lambda _: call, text)


def before(name: str) -> re.Pattern[str]:
    """Return what the state before looks like: `h_(t-1)`."""
    return re.compile(rf"{re.escape(name)}_\(t\s*-\s*1\)")


def is_matrix(right: str) -> bool:
    """Whether a recurrence's right side makes its state a matrix."""
    return _OUTER.search(right) is not None


def vector_state(name: str, right: str) -> str:
    """Return the line of `h_t = a_t * h_(t-1) + b_t`."""
    terms = split_at("+", right)
    old = [term for term in terms if before(name).search(term)]
    new = [term for term in terms if not before(name).search(term)]
    return f"{name} = recur({rewrite_expression(_factor(name, old[0]))}, {rewrite_expression(' + '.join(new) or '0')})"


def matrix_state(name: str, right: str) -> MatrixState:
    """Return the state of `S_t = a_t S_(t-1) + k_t v_t^T`, or of the delta rule."""
    old = next(term for term in split_at("+", right) if before(name).search(term))
    factor = _factor(name, old)
    if delta := _DELTA.search(factor):
        decay = factor.replace(delta[0], "").strip().strip("*").strip()
        return MatrixState("delta_scan", rewrite_expression(delta[1]), rewrite_expression(decay))
    decay = re.sub(r"(?i)\bdiag\b", "", factor)
    return MatrixState("matrix_scan", "", "" if decay.strip() in ("", "1") else rewrite_expression(decay))


def _factor(name: str, term: str) -> str:
    """Return what multiplies the state before."""
    rest = before(name).sub("", term).strip().strip("*").strip()
    return re.sub(r"\*\s*\*|\*\s*$", "", rest).strip() or "1"
