"""Sums over positions, over the taps of a convolution, and over a few learned maps."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from neuramosaic.codegen.sketch.equations.products import attended
from neuramosaic.codegen.sketch.equations.syntax import At, Call, Node, Number, Operation, Over, Symbol, walk
from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, number, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

if TYPE_CHECKING:
    from neuramosaic.codegen.sketch.equations.context import Context
    from neuramosaic.codegen.sketch.equations.meaning import Meaning

_MOST_TERMS = 8
_POSITIONS = ("s", "j", "i", "tau", "u", "l", "r", "m", "n")


def is_over_positions(node: Over, context: Context) -> bool:
    """Whether a sum goes over positions up to that of the output."""
    bounds = {item.name for bound in (node.low, node.high) for item in walk(bound) if isinstance(item, Symbol)}
    if context.query in bounds:
        return True
    if node.high is not None or (node.low is not None and bounds):
        return False
    if node.index not in _POSITIONS or node.index == context.query:
        return False
    return any(isinstance(item, Symbol) and Symbol(node.index) in item.indices for item in walk(node.body))


def over_positions(meaning: Meaning, node: Over, context: Context) -> Term:
    """Return a sum over positions."""
    term, window = summand(meaning, node, context)
    return summed(term, window)


def summand(meaning: Meaning, node: Over, context: Context) -> tuple[Term, ast.expr | None]:
    """Return what a sum over positions goes over, and how many positions back it goes."""
    if node.high is not None and node.high != Symbol(context.query):
        raise NotReadError("a sum that ends before the position of the output, or behind it")
    if node.high_open:
        raise NotReadError("a sum over the past without the present")
    window = window_of(meaning, node, context)
    term = meaning.term(node.body, replace(context, key=node.index))
    return term, window


def window_of(meaning: Meaning, node: Over, context: Context) -> ast.expr | None:
    """Return how many positions a sum goes over; None if it begins at the first."""
    low = node.low
    if isinstance(low, Call) and low.name.lower() == "max":
        low = next((item for item in low.arguments if not isinstance(item, Number)), low)
    if low is None or (isinstance(low, Number) and low.text in ("0", "1")):
        return None
    extra = 0 if node.low_open else 1
    if isinstance(low, Operation) and low.sign == "+" and isinstance(low.right, Number):  # t - w + 1
        extra -= int(low.right.text)
        low = low.left
    if isinstance(low, Operation) and low.sign == "-" and low.left == Symbol(context.query):
        if isinstance(low.right, Operation):
            raise NotReadError("a window of more than one size")
        size = meaning.term(low.right, context)
        if size.kind == "number":
            return size.node if not extra else ast.BinOp(size.node, ast.Add(), ast.Constant(extra))
    raise NotReadError("a sum that begins at a place that is not known")


def summed(term: Term, window: ast.expr | None) -> Term:
    """Return the sum of a term over the positions up to that of the output, or over the last `window`."""
    if term.kind == "scaled":
        outside, inside = term.parts
        return combined("*", outside, summed(inside, window))
    if term.kind == "weighted":
        weights, value = term.parts
        if weights.role == "softmax_k":
            if window is not None:
                raise NotReadError("a window of weights that the position alone decides")
            return Term(called("running_weighted_mean", value, weights.parts[0]), "sequence", "q", heads=value.heads)
        if weights.role == "softmax_sink":
            if window is not None:
                raise NotReadError("a window with a sink")
            return Term(ast.BinOp(weights.node, ast.MatMult(), value.node), "sequence", "q", heads=True)
        if window is not None and weights.window is None:
            weights = replace(weights, window=window)
        return attended(weights, value)
    if term.kind == "outer":
        if window is not None:
            raise NotReadError("a window of outer products")
        return Term(term.node, "state", "q", parts=term.parts)
    if term.kind == "pair":
        if term.role in ("softmax", "named"):
            raise NotReadError("a sum of weights that is one")
        if term.role == "dot" and window is None:
            q, k = term.parts
            return Term(called("dot", q, Term(called("running_sum", k), "sequence")), "sequence", "q", heads=True,
                        role="numbers")  # fmt: skip
        inner = called("causal", term, *([window] if window is not None else []))
        return Term(called("sum", inner), "sequence", "q", heads=True, role="numbers")
    if term.kind == "sequence" and term.place == "k":
        if window is None:
            return replace(term, node=called("running_sum", term), place="q")
        mean = called("running_mean", term, window)
        return replace(term, node=ast.BinOp(window, ast.Mult(), mean), place="q")
    raise NotReadError("a sum over positions of what does not depend on them")


def between(meaning: Meaning, node: Over, context: Context) -> Term | None:
    """Return `sum_{r=s+1}^{t} z_r` or the product of it, for all pairs of positions; None if it is no such sum."""
    after_key = context.key and (
        node.low == Operation("+", Symbol(context.key), Number("1"))
        or (node.low == Symbol(context.key) and node.low_open)
    )
    if not after_key or node.high != Symbol(context.query) or node.high_open:
        return None
    inner = meaning.term(node.body, replace(context, query="", key=node.index))
    if inner.kind != "sequence" or inner.role != "numbers":
        raise NotReadError("a sum between two positions of more than one number per head")
    if node.kind == "prod":
        logs = Term(called("log", inner), "sequence")
        return Term(called("exp", called("between", logs)), "pair")
    return Term(called("between", inner), "pair")


def over_taps(meaning: Meaning, node: Over, context: Context) -> Term | None:
    """Return a convolution, `sum_{i<K} w_i z_{t-i}`, or None if nothing in the sum is some steps back."""
    back = [item for item in walk(node.body) if isinstance(item, (Symbol, At)) and _steps(item, node.index, context)]
    if not back:
        return None
    if len({_steps(item, node.index, context) for item in back}) != 1:
        raise NotReadError("a convolution of several delays")
    steps = _steps(back[0], node.index, context)
    assert steps is not None
    dilation, offset = steps
    first, taps = bounds(meaning, node, context)
    first -= offset if dilation == 1 else 0
    if first < 0 or (dilation != 1 and (first or offset)):
        raise NotReadError("a convolution that begins at another step")
    weights, maps, values = _factors(node.body, node.index, back)
    inner = replace(context, step=node.index)
    value: Term | None = None
    for item in values:
        term = meaning.term(item, inner)
        value = term if value is None else combined("*", value, term)
    assert value is not None
    if maps:
        return _full_convolution(meaning, maps, value, (first, taps, dilation), context)
    source = called("shift", value, ast.Constant(first)) if first else value.node
    value = replace(value, node=source, place="q")
    if len(weights) > 1:
        raise NotReadError("a convolution with several weights")
    steps_apart = [ast.Constant(dilation)] if dilation != 1 else []
    if not weights:
        if dilation != 1:
            raise NotReadError("a sum over every other position")
        node_ = ast.BinOp(taps, ast.Mult(), called("running_mean", value, taps))
        return replace(value, node=node_)
    weight = weights[0]
    assert isinstance(weight, Symbol)
    if meaning.is_defined(weight, inner):
        term = meaning.term(Symbol(weight.name, tuple(i for i in weight.indices if i != Symbol(node.index))), context)
        if dilation != 1 or first:
            raise NotReadError("a convolution by weights of the position with a dilation")
        return replace(value, node=called("weighted_taps", value, term))
    meaning.once(f"{weight.name} of a convolution")
    return replace(value, node=called("causal_conv", value, taps, *steps_apart))


def _full_convolution(
    meaning: Meaning, maps: list[Node], value: Term, steps: tuple[int, ast.expr, int], context: Context
) -> Term:
    first, taps, dilation = steps
    if not isinstance(taps, ast.Constant) or not isinstance(taps.value, int) or taps.value > _MOST_TERMS:
        raise NotReadError("a convolution with a matrix for each of many steps")
    total: Term | None = None
    for tap in range(taps.value):
        delay = first + tap * dilation
        shifted = replace(value, node=called("shift", value, ast.Constant(delay)) if delay else value.node, place="q")
        mapped = meaning.applied(meaning.map_name(maps[0], str(tap)), shifted, context)
        total = mapped if total is None else combined("+", total, mapped)
    assert total is not None
    return total


def bounds(meaning: Meaning, node: Over, context: Context) -> tuple[int, ast.expr]:
    """Return the first value of an index, and how many it takes.

    Raises:
        NotReadError: If that cannot be said.
    """
    if node.high is None:
        raise NotReadError("a sum that does not say where it ends")
    if node.low is None:
        first = 0 if node.high_open else None
    else:
        first = int(node.low.text) if isinstance(node.low, Number) and node.low.text.isdigit() else None
    if first is None:
        raise NotReadError("a sum that does not say where it begins")
    high, extra = node.high, (0 if node.high_open else 1) - first
    if isinstance(high, Operation) and high.sign == "-" and isinstance(high.right, Number):  # K - 1
        extra -= int(high.right.text)
        high = high.left
    last = meaning.term(high, context)
    if last.kind != "number":
        raise NotReadError("a sum whose end is no number")
    if isinstance(last.node, ast.Constant):
        return first, ast.Constant(last.node.value + extra)  # type: ignore[operator]
    return first, last.node if not extra else ast.BinOp(last.node, ast.Add(), ast.Constant(extra))


def _steps(item: Node, index: str, context: Context) -> tuple[int, int] | None:
    """Return the dilation and the offset of `t - i`, `t - 2 i`, `t - i + 1`; None if the index is another."""
    for place in item.indices if isinstance(item, (Symbol, At)) else ():
        offset = 0
        if isinstance(place, Operation) and place.sign == "+" and isinstance(place.right, Number):
            offset, place = int(place.right.text), place.left
        if not (isinstance(place, Operation) and place.sign == "-" and place.left == Symbol(context.query)):
            continue
        if place.right == Symbol(index):
            return 1, offset
        if isinstance(place.right, Operation) and place.right.sign in ("side", "*", "odot", "cdot"):
            factors = (place.right.left, place.right.right)
            if Symbol(index) in factors and isinstance(factors[0], Number):
                return int(factors[0].text), offset
    return None


def _factors(node: Node, index: str, back: Sequence[Node]) -> tuple[list[Node], list[Node], list[Node]]:
    """Return the weights, the maps and the values of a convolution."""
    if isinstance(node, Operation) and node.sign in ("*", "odot", "side", "cdot", "@") and node not in back:
        left, right = _factors(node.left, index, back), _factors(node.right, index, back)
        return left[0] + right[0], left[1] + right[1], left[2] + right[2]
    if isinstance(node, Symbol) and Symbol(index) in node.indices:
        return ([], [node], []) if node.name[:1].isupper() else ([node], [], [])
    return [], [], [node]


def over_few(meaning: Meaning, node: Over, context: Context) -> Term:
    """Return a sum over a few learned maps, written out."""
    first, count = bounds(meaning, node, context)
    if not isinstance(count, ast.Constant) or not isinstance(count.value, int) or not 1 <= count.value <= _MOST_TERMS:
        raise NotReadError("a sum over a number of parts that a hyper-parameter says")
    total: Term | None = None
    for place in range(first, first + count.value):
        term = meaning.term(_at(node.body, node.index, place), context)
        if total is None:
            total = term
        elif node.kind == "max":
            total = total.written(called("maximum", total, term))
        else:
            total = combined("*" if node.kind == "prod" else "+", total, term)
    assert total is not None
    if node.kind == "mean":
        return combined("/", total, number(str(count.value)))
    return total


def _at(node: Node, index: str, place: int) -> Node:
    """Return a part with a number in the place of an index."""
    if node == Symbol(index):
        return Number(str(place))
    changed: dict[str, object] = {}
    for name, value in vars(node).items():
        if isinstance(value, Node):
            changed[name] = _at(value, index, place)
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            changed[name] = tuple(_at(item, index, place) for item in value)
    return replace(node, **changed) if changed else node  # type: ignore[type-var]


def ratio(meaning: Meaning, node: Operation, context: Context) -> Term | None:
    """Return a quotient of sums over positions that is a softmax or a weighted mean; None if it is none."""
    sink, below = _sink(node.right)
    if not isinstance(below, Over) or below.kind != "sum" or not is_over_positions(below, context):
        return None
    weight, window = summand(meaning, below, context)
    above = node.left
    if isinstance(above, Over) and above.kind == "sum" and is_over_positions(above, context):
        value, other_window = summand(meaning, above, context)
        if _text(window) != _text(other_window):
            raise NotReadError("a quotient of sums over different windows")
    else:
        value, other_window = meaning.term(above, context), None
    weights = value.parts[0] if value.kind == "weighted" else value
    if ast.unparse(weights.node) != ast.unparse(weight.node):
        if value.kind == "sequence" and weight.role == "exp" and value.place == "k" and weight.place == "k":
            return _weighted_mean(value, weight, window, sink)
        return None
    made = _normalised(meaning, weight, window, sink, context)
    if made is None:
        if value.kind == "weighted" and weight.role == "dot" and window is None and sink is None:
            q, k = weight.parts
            node_ = called("kernel_attention", q, k, value.parts[1])
            return Term(node_, "sequence", "q", heads=True)
        return None
    return made if value.kind != "weighted" else summed(replace(value, parts=(made, value.parts[1])), window)


def _weighted_mean(value: Term, weight: Term, window: ast.expr | None, sink: Node | None) -> Term | None:
    """Return `sum_s exp(a_s) v_s / sum_s exp(a_s)`."""
    if window is not None or sink is not None or not isinstance(value.node, ast.BinOp):
        return None
    if not isinstance(value.node.op, ast.Mult):
        return None
    sides = (value.node.left, value.node.right)
    rest = [side for side in sides if ast.unparse(side) != ast.unparse(weight.node)]
    if len(rest) != 1:
        return None
    mean = called("running_weighted_mean", rest[0], weight.parts[0])
    return Term(mean, "sequence", "q", heads=value.heads)


def _normalised(
    meaning: Meaning, weight: Term, window: ast.expr | None, sink: Node | None, context: Context
) -> Term | None:
    """Return exp(a) / (sink + sum of it) as the softmax that it is."""
    if weight.role != "exp":
        return None
    logits = weight.parts[0]
    if sink is not None:
        if logits.kind != "pair" or window is not None:
            return None
        logit = number("0.0") if sink == Number("1") else None
        if isinstance(sink, Call) and sink.name == "exp":
            logit = meaning.term(sink.arguments[0], context)
        if logit is None or logit.kind not in ("number", "per_head"):
            return None
        return Term(called("sink_softmax", logits, logit), "pair", role="softmax_sink")
    if logits.kind == "pair":
        return Term(weight.node, "pair", parts=(logits,), role="softmax", window=window)
    if logits.place == "k":
        return Term(weight.node, "sequence", "k", parts=(logits,), role="softmax_k")
    return None


def _sink(node: Node) -> tuple[Node | None, Node]:
    if isinstance(node, Operation) and node.sign == "+":
        if isinstance(node.right, Over):
            return node.left, node.right
        if isinstance(node.left, Over):
            return node.right, node.left
    return None, node


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def distance() -> Term:
    """Return t - s for all pairs of positions."""
    return Term(python("distance()"), "pair")
