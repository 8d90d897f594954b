"""Products: what stands side by side is applied, multiplied, summed over channels, or read from a state."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

_VECTORS = ("sequence", "vector")
_HEAD_ROOT = "head_dim ** 0.5"


def multiplied(terms: Sequence[Term]) -> Term:
    """Return the product of terms that stand side by side, maps among them applied already.

    Raises:
        NotReadError: If it is none that is known.
    """
    left = _states_read(_rows_met(list(terms)))
    value = left[-1]
    for term in reversed(left[:-1]):
        value = product(term, value)
    return value


def _rows_met(terms: list[Term]) -> list[Term]:
    """Put a scalar product in the place of a row and the column behind it, and of vectors at two positions."""
    place = 0
    while place + 1 < len(terms):
        a, b = terms[place], terms[place + 1]
        both = a.kind in _VECTORS and b.kind in _VECTORS and "numbers" not in (a.role, b.role)
        row_first = a.transposed and not b.transposed
        crosswise = (
            not a.transposed and b.transposed and ({a.place, b.place} == {"q", "k"} or a.place == b.place == "*")
        )
        if both and (row_first or crosswise):
            terms[place : place + 2] = [dot(a, b)]
            place = 0
        elif both and not a.transposed and b.transposed:
            terms[place : place + 2] = [outer(a, b)]
            place = 0
        else:
            place += 1
    return terms


def _states_read(terms: list[Term]) -> list[Term]:
    """Put what queries read in the place of a query and a state side by side."""
    for place in range(len(terms) - 1):
        a, b = terms[place], terms[place + 1]
        if a.kind in _VECTORS and b.kind == "state":  # q^T S, q S
            contracted = b.parts[1] if b.transposed else b.parts[0]
            return [*terms[:place], read(b, a, contracted), *terms[place + 2 :]]
        if a.kind == "state" and b.kind in _VECTORS:  # S q, S^T q
            contracted = a.parts[0] if a.transposed else a.parts[1]
            return [*terms[:place], read(a, b, contracted), *terms[place + 2 :]]
    return terms


def read(state: Term, query: Term, key: Term) -> Term:
    """Return what a query reads from a state whose side `key` it meets."""
    keys, values, *decay = state.parts
    value = values if key is keys else keys
    if state.role.startswith("delta") and key is not keys:
        raise NotReadError("a delta rule that is read by its values")
    if state.role == "delta":
        strength, *decay = decay
        node = called("delta_scan", query, key, value, strength, *decay)
    else:
        node = called("matrix_scan", query, key, value, *decay)
    return Term(node, "sequence", "q", heads=True)


def product(a: Term, b: Term) -> Term:
    """Return the product of two terms.

    Raises:
        NotReadError: If it is none that is known.
    """
    for one, other in ((a, b), (b, a)):
        if one.kind in ("outer", "state") and other.kind in ("number", "per_head", "sequence", "vector"):
            if one.kind == "state":
                raise NotReadError("a state that is scaled where it is read")
            first, second = one.parts
            return replace(one, parts=(combined("*", other, first), second))
        if one.kind == "weighted" and other.kind in ("number", "per_head", "pair"):
            weights, value = one.parts
            return replace(one, parts=(combined("*", other, weights), value))
        if one.kind == "weighted" and other.place == "k":
            return replace(one, parts=(one.parts[0], combined("*", one.parts[1], other)))
        if one.kind in ("weighted", "scaled") and other.place in ("q", ""):
            return Term(one.node, "scaled", parts=(other, one))
        if one.kind == "pair" and other.kind == "sequence" and other.role != "numbers":
            if other.place == "k":
                return Term(one.node, "weighted", parts=(one, other))
            if other.place == "*":
                return attended(one, other)
            return Term(one.node, "scaled", parts=(other, one))
        if one.role == "softmax_k" and other.place == "k":
            return Term(one.node, "weighted", parts=(one, other))
        if one.kind == "pair" and one.role in ("dot", "scores") and other.kind in ("number", "per_head"):
            q, k = one.parts  # what multiplies all logits may as well multiply the queries
            return replace(combined("*", a, b), role=one.role, parts=(combined("*", other, q), k))
        if one.kind == "sequence" and isinstance(other.node, ast.Name) and other.node.id in ("head_dim", "d_model"):
            raise NotReadError("d times a vector, where d may be a size or learned")
    places = {a.place, b.place}
    if places == {"q", "k"} and a.kind == b.kind == "sequence" and not a.role == b.role == "numbers":
        at_query, at_key = (a, b) if a.place == "q" else (b, a)
        return Term(at_key.node, "scaled", parts=(at_query, at_key))
    return combined("*", a, b)


def attended(weights: Term, value: Term) -> Term:
    """Return the sum over positions of weights times values."""
    if value.role == "numbers":
        raise NotReadError("weights of numbers per head")
    logits = weights.parts[0] if weights.parts else None
    window = weights.window
    if weights.role == "softmax" and logits is not None:
        if window is not None:
            if logits.role in ("scores", "dot"):
                q, k = logits.parts
                if logits.role == "dot":
                    q = combined("*", q, Term(python(_HEAD_ROOT), "number"))
                return Term(called("window_attention", q, k, value, window), "sequence", "q", heads=True)
            node: ast.expr = called("causal_softmax", logits, window)
        else:
            node = called("causal_softmax", logits)
    elif weights.role == "named":
        node = weights.node
    elif weights.role == "dot" and window is None:
        q, k = weights.parts
        return Term(called("matrix_scan", q, k, value), "sequence", "q", heads=True)
    else:
        node = called("causal", weights, *([window] if window is not None else []))
    return Term(ast.BinOp(node, ast.MatMult(), value.node), "sequence", "q", heads=True)


def weights_of(term: Term) -> Term:
    """Return weights of pairs with what makes them causal written out, for a line of their own."""
    if term.role == "softmax" and term.parts:
        node = called("causal_softmax", term.parts[0], *([term.window] if term.window is not None else []))
        return Term(node, "pair", role="named")
    return term


def dot(a: Term, b: Term) -> Term:
    """Return the sum over channels of two terms: a number, one per position, or one per pair of positions."""
    if a.kind == "state" or b.kind == "state":
        return multiplied([a, b])
    for term in (a, b):
        if term.kind not in _VECTORS:
            raise NotReadError(f"a scalar product with {term.kind}")
    places = {a.place, b.place}
    if places == {"q", "k"} or places == {"*"}:
        q, k = (a, b) if a.place == "q" or places == {"*"} else (b, a)
        if places == {"*"} and a.transposed and not b.transposed:
            raise NotReadError("a product over all positions")
        node = ast.BinOp(called("scores", q, k), ast.Mult(), python(_HEAD_ROOT))
        return Term(node, "pair", role="dot", parts=(plain(q), plain(k)))
    if a.kind == b.kind == "vector":
        return Term(called("dot", a, b), "number")
    place = next(iter(places - {""}), "")
    return Term(called("dot", a, b), "sequence", place, heads=a.heads or b.heads, role="numbers")


def plain(term: Term) -> Term:
    """Return a term as a column."""
    return replace(term, transposed=False)


def outer(a: Term, b: Term) -> Term:
    """Return the product of a column and a row, a matrix."""
    for term in (a, b):
        if term.kind != "sequence":
            raise NotReadError("an outer product of what is no sequence")
    if a.place != b.place:
        raise NotReadError("an outer product of two positions")
    return Term(a.node, "outer", a.place, parts=(plain(a), plain(b)))


def divided(a: Term, b: Term) -> Term:
    """Return a quotient."""
    if a.kind == "sequence" and ast.unparse(b.node) == f"norm({ast.unparse(a.node)})":
        return a.written(called("normalize", a))
    if a.role == "dot" and ast.unparse(b.node) in ("sqrt(head_dim)", _HEAD_ROOT):
        q, k = a.parts
        return Term(called("scores", q, k), "pair", role="scores", parts=a.parts)
    if a.kind == "weighted":
        weights, value = a.parts
        if b.kind in ("number", "per_head", "pair"):
            return replace(a, parts=(combined("/", weights, b), value))
        return Term(a.node, "scaled", parts=(combined("/", Term(python("1"), "number"), b), a))
    if a.kind == "outer":
        return replace(a, parts=(combined("/", a.parts[0], b), a.parts[1]))
    if a.kind == "scaled":
        return replace(a, parts=(combined("/", a.parts[0], b), a.parts[1]))
    return combined("/", a, b)
