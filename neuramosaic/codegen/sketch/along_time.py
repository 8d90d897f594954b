"""Functions of a sketch along time: delays, convolutions, scans and means of the past."""

from __future__ import annotations

import ast

from neuramosaic.codegen.sketch.functions import Arguments, Builder, Functions, count, sequence
from neuramosaic.codegen.sketch.values import (
    Kind,
    Size,
    SketchError,
    Value,
    align,
    call,
    expression,
    is_one,
    method,
    per_head_number,
    to_heads,
    to_sequence,
)

ALONG_TIME = Functions()


@ALONG_TIME.add("shift(z, steps=1)", "z_(t - steps), zeros before the beginning")
def _shift(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, _ = sequence(arguments[0], "shift")
    steps = [count(item, "the steps of shift", least=0) for item in arguments[1:]]
    return z.written(call("shift", z.node, *steps))


@ALONG_TIME.add("causal_conv(z, taps, dilation=1)", "a learned convolution, sum_(i < taps) w_i * z_(t - i * dilation)")
def _causal_conv(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, size = sequence(arguments[0], "causal_conv")
    taps = to.constructor(count(arguments[1], "the taps of causal_conv"))
    fan_in = f"({taps})"
    name = to.module("taps", lambda: f"nn.Parameter(torch.randn({size.text or 'd_model'}, {taps}) / {fan_in} ** 0.5)")
    dilation = [count(item, "the dilation of causal_conv") for item in arguments[2:]]
    return z.written(call("causal_conv", z.node, expression(name), *dilation))


@ALONG_TIME.add("recur(a, b)", "h_t = a_t * h_(t-1) + b_t; a in (0, 1), a number per channel or a sequence")
def _recur(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b = to_sequence(arguments[0]), to.hold(to_sequence(arguments[1]), "update")
    if a.kind is Kind.PER_HEAD or (a.kind is Kind.SEQUENCE and is_one_per_head(a, b)):
        return _recur_per_head(to, to_heads(a), to_heads(b))
    first, second, size = _together("recur", a, b)
    if a.kind is Kind.NUMBER:
        if isinstance(first, ast.Constant):
            first = call("torch.full_like", second, first)
        else:
            first = ast.BinOp(first, ast.Mult(), call("torch.ones_like", second))
    elif a.kind is not Kind.SEQUENCE or is_one(a.size):
        first = method(first, "expand_as", second)
    return Value(call("linear_scan", first, second), Kind.SEQUENCE, size)


def is_one_per_head(a: Value, b: Value) -> bool:
    """Whether a is one number per head and b has the channels of heads."""
    return per_head_number(a.size) and b.size is not None and b.size.text is not None and not per_head_number(b.size)


def _recur_per_head(to: Builder, a: Value, b: Value) -> Value:
    """Write a recurrence whose factor is one number per head."""
    to.need_heads()
    update = to.hold(b, "update")
    factor = method(a.node, "expand_as", update.node)
    merged = [call("merge_heads", node) for node in (factor, update.node)]
    return Value(call("linear_scan", *merged), Kind.SEQUENCE, to_sequence(update).size)


@ALONG_TIME.add("running_sum(z)", "sum of z_0 ... z_t")
def _running_sum(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = arguments[0]
    if z.kind is Kind.HEADS:
        return z.written(method(z.node, "cumsum", expression("-2")))
    z, _ = sequence(z, "running_sum")
    return z.written(method(z.node, "cumsum", expression("1")))


@ALONG_TIME.add("weighted_taps(z, weights)", "sum_i w_(t,i) z_(t-i) with as many taps as weights has channels")
def _weighted_taps(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    (z, _), (weights, _) = sequence(arguments[0], "weighted_taps"), sequence(arguments[1], "weighted_taps")
    return z.written(call("weighted_taps", z.node, weights.node))


@ALONG_TIME.add(
    "running_mean(z, window=None)", "mean of z_0 ... z_t, or of the last `window`, zeros before the beginning"
)
def _running_mean(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, _ = sequence(arguments[0], "running_mean")
    given = [item for item in arguments[1:] if not (isinstance(item.node, ast.Constant) and item.node.value is None)]
    return z.written(call("running_mean", z.node, *(count(item, "the window of running_mean") for item in given)))


@ALONG_TIME.add("running_weighted_mean(z, logits)", "sum_(s<=t) exp(logits_s) z_s / sum_(s<=t) exp(logits_s)")
def _running_weighted_mean(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, logits = to.hold(to_sequence(arguments[0]), "value"), to_sequence(arguments[1])
    first, second, size = _together("running_weighted_mean", z, logits)
    if logits.kind is not Kind.SEQUENCE or is_one(logits.size):
        second = method(second, "expand_as", first)
    return Value(call("running_weighted_mean", first, second), Kind.SEQUENCE, size)


def _together(name: str, a: Value, b: Value) -> tuple[ast.expr, ast.expr, Size | None]:
    """Return two values that make a sequence together, and its size.

    Raises:
        SketchError: If they make something else.
    """
    first, second, kind, size = align(a, b)
    if kind is not Kind.SEQUENCE:
        raise SketchError(f"{name} takes sequences (B, T, size), these are {a.shape} and {b.shape}")
    return first, second, size
