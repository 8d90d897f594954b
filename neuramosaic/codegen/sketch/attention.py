"""Functions of a sketch over heads: attention, and memories that are read like it in linear time."""

from __future__ import annotations

import ast

from neuramosaic.codegen.sketch.functions import Arguments, Builder, Functions, count, of_kind
from neuramosaic.codegen.sketch.values import (
    Kind,
    Size,
    SketchError,
    Value,
    call,
    expression,
    is_one,
    method,
    same_size,
    to_heads,
    to_sequence,
)

ATTENTION = Functions()


@ATTENTION.add("split_heads(z, heads=heads)", "z as (B, H, T, head_dim)")
def _split(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    return to_heads(arguments[0])


@ATTENTION.add("merge_heads(z)", "back to (B, T, H * head_dim)")
def _merge(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return to_sequence(arguments[0])


@ATTENTION.add("scores(q, k)", "q_t . k_s / sqrt(head_dim) for all pairs, (B, H, T, T)")
def _scores(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k = _heads(to, "scores", arguments)
    product = ast.BinOp(q.node, ast.MatMult(), ast.Attribute(k.node, "mT"))
    return Value(ast.BinOp(product, ast.Div(), expression("self.head_dim ** 0.5")), Kind.SCORES)


@ATTENTION.add("cosine(q, k)", "cosine of q_t and k_s for all pairs, (B, H, T, T)")
def _cosine(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k = (call("F.normalize", item.node, dim=expression("-1")) for item in _heads(to, "cosine", arguments))
    return Value(ast.BinOp(q, ast.MatMult(), ast.Attribute(k, "mT")), Kind.SCORES)


@ATTENTION.add(
    "causal_softmax(scores, window=None)",
    "softmax over the positions s <= t, or over the last `window`, (B, H, T, T); multiply it with @ v",
)
def causal_softmax(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    """Write a softmax of scores that sees no later position."""
    scores = of_kind(arguments[0], Kind.SCORES, "causal_softmax").node
    windows = [count(item, "the window of causal_softmax") for item in _given(arguments[1:])]
    return Value(call("causal_softmax", scores, *windows), Kind.SCORES)


@ATTENTION.add(
    "sink_softmax(scores, sink)", "causal_softmax with exp(sink) more below the line; sink a number per head"
)
def _sink_softmax(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    scores, sink = of_kind(arguments[0], Kind.SCORES, "sink_softmax").node, arguments[1]
    if sink.kind is Kind.VECTOR and sink.size is not None:
        sink.size.settle("heads")
        sink = to_heads(sink)
    if sink.kind not in (Kind.NUMBER, Kind.PER_HEAD):
        raise SketchError(f"the sink of sink_softmax is {sink.shape}; make it one number per head")
    node = sink.node
    if sink.kind is Kind.NUMBER:
        node = ast.BinOp(node, ast.Mult(), expression("x.new_ones(1, 1, 1)"))
    return Value(call("sink_softmax", scores, node), Kind.SCORES)


@ATTENTION.add(
    "causal(weights, window=None)",
    "weights with zeros for s > t, or but for the last `window`; any function of scores, (B, H, T, T)",
)
def _causal(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    weights = method(of_kind(arguments[0], Kind.SCORES, "causal").node, "tril")
    for item in _given(arguments[1:]):
        weights = method(weights, "triu", ast.BinOp(expression("1"), ast.Sub(), count(item, "the window of causal")))
    return Value(weights, Kind.SCORES)


@ATTENTION.add("distance()", "t - s for all pairs of positions, 0 for s > t, (T, T)")
def _distance(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(call("key_distance", expression("x")), Kind.SCORES)


@ATTENTION.add("between(z)", "sum of z_r over s < r <= t for all pairs, z one number per head, (B, H, T, T)")
def _between(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(call("sum_between", _per_position(to, "between", arguments[0])), Kind.SCORES)


@ATTENTION.add("of_query(z)", "one number per head, z_t, for all pairs of t and s, (B, H, T, T)")
def _of_query(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(_per_position(to, "of_query", arguments[0]), Kind.SCORES)


@ATTENTION.add("of_key(z)", "one number per head, z_s, for all pairs of t and s, (B, H, T, T)")
def _of_key(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(ast.Attribute(_per_position(to, "of_key", arguments[0]), "mT"), Kind.SCORES)


def _per_position(to: Builder, name: str, value: Value) -> ast.expr:
    """Return one number per head and position, (B, H or 1, T, 1)."""
    z = value
    if value.kind is Kind.SEQUENCE and not is_one(value.size):
        to.need_heads()
        if value.size is not None:
            value.size.settle("heads")
        z = to_heads(value)
    if z.kind is Kind.SEQUENCE:
        return method(z.node, "unsqueeze", expression("1"))
    if z.kind is not Kind.HEADS or not is_one(z.size):
        raise SketchError(f"{name} takes one number per head, this is {value.shape}; write linear(x, heads)")
    return z.node


def _given(arguments: Arguments) -> Arguments:
    return [item for item in arguments if not (isinstance(item.node, ast.Constant) and item.node.value is None)]


@ATTENTION.add("linear_per_head(z, size=head_dim)", "a learned linear map of z for each head, (B, H, T, size)")
def _linear_per_head(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    z = of_kind(to_heads(arguments[0]), Kind.HEADS, "linear_per_head")
    before = z.size
    assert before is not None
    after = Size(to.constructor(arguments[1].node)) if len(arguments) > 1 else Size("head_dim")

    def made() -> str:
        fan_in = before.text or "head_dim"
        return f"nn.Parameter(torch.randn(heads, {fan_in}, {after.text or 'head_dim'}) / ({fan_in}) ** 0.5)"

    return Value(ast.BinOp(z.node, ast.MatMult(), expression(to.module("linear_per_head", made))), Kind.HEADS, after)


@ATTENTION.add("attention(q, k, v)", "softmax attention over all s <= t")
def _attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k, v = _heads(to, "attention", arguments)
    return Value(call("causal_attention", q.node, k.node, v.node), Kind.HEADS, v.size)


@ATTENTION.add("window_attention(q, k, v, window)", "softmax attention over the last `window` positions, linear cost")
def _window_attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k, v = _heads(to, "window_attention", arguments[:3])
    window = count(arguments[3], "the window of window_attention")
    return Value(call("windowed_attention", q.node, k.node, v.node, window), Kind.HEADS, v.size)


@ATTENTION.add(
    "matrix_scan(q, k, v, decay=None)",
    "q_t S_t with the state S_t = decay_t S_(t-1) + k_t v_t^T; decay in (0, 1): a number per head, or of the size of k",
)
def _matrix_scan(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _recurrence(to, "matrix_scan", arguments[:3], arguments[3:])


@ATTENTION.add(
    "delta_scan(q, k, v, strength, decay=None)",
    "q_t S_t with S_t = decay_t (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T, b = strength in (0, 1), a number per head",
)
def _delta_scan(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    strength = to_heads(arguments[3])
    if strength.kind is not Kind.HEADS or not is_one(strength.size):
        raise SketchError(f"the strength of delta_scan is {strength.shape}; write linear(x, heads).sigmoid()")
    return _recurrence(to, "delta_scan", arguments[:3], arguments[4:], strength.node)


@ATTENTION.add(
    "kernel_attention(q, k, v, decay=None)",
    "sum_s (q_t . k_s) v_s / sum_s (q_t . k_s) over s <= t for q, k >= 0, linear cost",
)
def _kernel_attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _recurrence(to, "kernel_attention", arguments[:3], arguments[3:])


def _heads(to: Builder, name: str, arguments: Arguments) -> list[Value]:
    """Return queries, keys and perhaps values, split into heads.

    Raises:
        SketchError: If they are not, or queries and keys have different sizes.
    """
    to.need_heads()
    found = [of_kind(to_heads(item), Kind.HEADS, name) for item in arguments]
    q, k = found[:2]
    if q.size is None or k.size is None or not same_size(q.size, k.size):
        raise SketchError(f"the queries of {name} are {q.shape}, its keys {k.shape}: make them the same size")
    return found


def _recurrence(to: Builder, name: str, qkv: Arguments, decay: Arguments, *extra: ast.expr) -> Value:
    """Write a recurrence over a matrix per head; `decay` holds one value, or none."""
    q, k, v = _heads(to, name, qkv)
    given = [item for item in decay if not (isinstance(item.node, ast.Constant) and item.node.value is None)]
    decays = [_log_decay(name, item, k) for item in given]
    return Value(call(name, q.node, k.node, v.node, *extra, *decays), Kind.HEADS, v.size)


def _log_decay(name: str, decay: Value, keys: Value) -> ast.expr:
    """Return the logarithm of a decay in the shape (B or 1, H or 1, T or 1, K or 1) that recurrences take."""
    decay = to_heads(decay)
    fits = decay.size is not None and (
        is_one(decay.size) or (keys.size is not None and same_size(decay.size, keys.size))
    )
    if decay.kind is Kind.HEADS and fits:
        return _log(decay.node)
    if decay.kind is Kind.PER_HEAD:
        return method(_log(decay.node), "view", *map(expression, ("1", "-1", "1", "1")))
    if decay.kind is Kind.NUMBER:
        ones = expression("x.new_ones(1, 1, 1, 1)")
        return _log(ast.BinOp(decay.node, ast.Mult(), ones))
    raise SketchError(f"the decay of {name} is {decay.shape}; make it one number per head, or of the keys' size")


def _log(node: ast.expr) -> ast.expr:
    return method(method(node, "clamp", expression("1e-06")), "log")
