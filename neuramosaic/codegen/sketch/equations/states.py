"""Recurrences: definitions by the state before, as scans over time."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from neuramosaic.codegen.sketch.equations.products import multiplied
from neuramosaic.codegen.sketch.equations.syntax import (
    Call,
    Minus,
    Node,
    Number,
    Operation,
    Symbol,
    Transpose,
    walk,
)
from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

if TYPE_CHECKING:
    from neuramosaic.codegen.sketch.equations.context import Context
    from neuramosaic.codegen.sketch.equations.meaning import Meaning

_PRODUCTS = ("side", "*", "odot", "@", "cdot")


def is_before(node: Node, name: str, query: str) -> bool:
    """Whether a part is the state before: `h_{t-1}`."""
    return isinstance(node, Symbol) and node.name == name and Operation("-", Symbol(query), Number("1")) in node.indices


def has_before(node: Node, name: str, query: str) -> bool:
    """Whether a part holds the state before."""
    return any(is_before(item, name, query) for item in walk(node))


def recurrence(meaning: Meaning, name: str, right: Node, context: Context) -> Term:
    """Return the state that an equation defines by the one before.

    Raises:
        NotReadError: If it is none that can be scanned: linear in the state before, and element by element.
    """
    if any(
        isinstance(item, Symbol) and item.name == name and not is_before(item, name, context.query)
        for item in walk(right)
    ):
        raise NotReadError(f"{name}, defined by more than the state before")
    old: list[list[Node]] = []
    new: list[Node] = []
    _collect(right, [], False, old, new, name, context.query)
    inside = replace(context, state=True)
    rest = [meaning.term(node, inside) for node in new]
    if not rest:
        raise NotReadError(f"{name}, which nothing is added to")
    if any(term.kind == "outer" for term in rest) or any(_projector(factor) for factors in old for factor in factors):
        return _matrix(meaning, old, rest, inside)
    total = rest[0]
    for term in rest[1:]:
        total = combined("+", total, term)
    decay: Term | None = None
    for factors in old:
        terms = [meaning.term(factor, inside) for factor in factors]
        if any(term.kind not in ("number", "per_head", "vector", "sequence") for term in terms):
            raise NotReadError(f"{name}, whose state before is multiplied by a matrix")
        if any(term.role == "positions" for term in terms):
            raise NotReadError(f"{name}, whose state before is multiplied by positions")
        factor = multiplied(terms) if terms else Term(python("1.0"), "number")
        decay = factor if decay is None else combined("+", decay, factor)
    if decay is None or total.kind not in ("sequence", "vector", "number"):
        raise NotReadError(f"{name}, a recurrence of no sequence")
    if total.kind != "sequence":
        raise NotReadError(f"{name}, whose input is no sequence")
    heads = total.heads or decay.heads
    node = called("recur", decay, total)
    return Term(called("split_heads", node) if heads and total.role != "numbers" else node, "sequence", "q",
                heads=heads, role=total.role)  # fmt: skip


def _collect(
    node: Node, around: list[Node], negative: bool, old: list[list[Node]], new: list[Node], name: str, query: str
) -> None:
    """Sort the terms of a sum: the factors of the state before, and what is added."""
    if not has_before(node, name, query):
        term = node
        for factor in reversed(around):
            term = Operation("side" if not isinstance(factor, (Call, Operation, Number)) else "*", factor, term)
        new.append(Minus(term) if negative else term)
        return
    if is_before(node, name, query):
        old.append([*around, *([Minus(Number("1"))] if negative else [])])
        return
    if isinstance(node, Minus):
        _collect(node.inner, around, not negative, old, new, name, query)
        return
    if isinstance(node, Operation) and node.sign in ("+", "-"):
        _collect(node.left, around, negative, old, new, name, query)
        _collect(node.right, around, negative != (node.sign == "-"), old, new, name, query)
        return
    if isinstance(node, Operation) and node.sign in _PRODUCTS:
        factors = _factors(node)
        holding = [factor for factor in factors if has_before(factor, name, query)]
        if len(holding) == 1:
            others = [factor for factor in factors if factor is not holding[0]]
            _collect(holding[0], [*around, *others], negative, old, new, name, query)
            return
    if isinstance(node, Operation) and node.sign == "/" and not has_before(node.right, name, query):
        _collect(node.left, [*around, Operation("/", Number("1"), node.right)], negative, old, new, name, query)
        return
    raise NotReadError(f"{name}, which is not linear in the state before")


def _factors(node: Node) -> list[Node]:
    if isinstance(node, Operation) and node.sign in _PRODUCTS:
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _projector(node: Node) -> Node | None:
    """Return what is taken off in `(I - b k k^T)`; None if it is something else."""
    if isinstance(node, Operation) and node.sign == "-" and node.left in (Symbol("I"), Number("1")):
        if any(isinstance(item, Transpose) for item in walk(node.right)):
            return node.right
    return None


def _matrix(meaning: Meaning, old: list[list[Node]], rest: list[Term], context: Context) -> Term:
    if len(rest) != 1 or len(old) != 1 or rest[0].kind != "outer":
        raise NotReadError("a state that is a matrix, of more than a decay and an outer product")
    first, second = rest[0].parts
    decays: list[Term] = []
    taken_off: Term | None = None
    projector_first = False
    for factor in old[0]:
        if (projector := _projector(factor)) is not None:
            if taken_off is not None:
                raise NotReadError("a state with two projections")
            taken_off = meaning.term(projector, context)
            projector_first = True
            continue
        decays.append(meaning.term(factor, context))
    del projector_first
    decay: Term | None = None
    for term in decays:
        if term.kind not in ("number", "per_head", "sequence") or (term.kind == "sequence" and term.transposed):
            raise NotReadError("a decay that is no number and no vector")
        decay = term if decay is None else combined("*", decay, term)
    decay_parts = () if decay is None else (decay,)
    if taken_off is None:
        return Term(rest[0].node, "state", "q", parts=(first, second, *decay_parts))
    if taken_off.kind != "outer":
        raise NotReadError("a projection of a state that is no delta rule")
    scaled, key = taken_off.parts
    strength = _strength(scaled, key)
    key_first = ast.unparse(key.node) in ast.unparse(first.node)
    written, value = (first, second) if key_first else (second, first)
    if strength is None or not _same_scaled(written, value, key, strength):
        raise NotReadError("a delta rule that erases and writes differently")
    if not meaning.known.is_normalised(ast.unparse(key.node)):
        raise NotReadError("a delta rule whose keys are not of length 1")
    plain_value = _without(value, strength)
    parts = (key, plain_value, strength, *decay_parts) if key_first else (plain_value, key, strength, *decay_parts)
    if not key_first:  # S = v k^T: the state is read by keys from the right
        return Term(
            rest[0].node, "state", "q", parts=(key, plain_value, strength, *decay_parts), role="delta", transposed=True
        )
    return Term(rest[0].node, "state", "q", parts=parts, role="delta")


def _strength(scaled: Term, key: Term) -> Term | None:
    """Return b of `b k`; None if it is no such product."""
    node = scaled.node
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and ast.unparse(node.right) == ast.unparse(key.node)
    ):
        return Term(node.left, "sequence", "q", role="numbers")
    return None


def _without(term: Term, strength: Term) -> Term:
    node = term.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if ast.unparse(node.left) == ast.unparse(strength.node):
            return replace(term, node=node.right)
    return term


def _same_scaled(written: Term, value: Term, key: Term, strength: Term) -> bool:
    """Whether what is written is strength times key times value, once."""
    bare_key, bare_value = _without(written, strength), _without(value, strength)
    times = (bare_key is not written) + (bare_value is not value)
    return times == 1 and ast.unparse(bare_key.node) == ast.unparse(key.node)


def decays(name: str, right: Node, query: str = "t") -> list[Node] | None:
    """Return what the state before is multiplied by; nothing if by nothing, None if there is no state before.

    Raises:
        NotReadError: If the equation is not linear in it.
    """
    if not has_before(right, name, query):
        return None
    old: list[list[Node]] = []
    _collect(right, [], False, old, [], name, query)
    factors = [factor for factors in old for factor in factors if _projector(factor) is None]
    return [factor for factor in factors if factor != Number("1")]
