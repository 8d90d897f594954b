"""Functions of a sketch that know no time: element by element, and over the channels."""

from __future__ import annotations

import ast

from neuramosaic.codegen.sketch.attention import causal_softmax
from neuramosaic.codegen.sketch.functions import Arguments, Builder, Functions, count, sequence
from neuramosaic.codegen.sketch.values import (
    Kind,
    Size,
    SketchError,
    Value,
    align,
    call,
    expression,
    method,
)

CHANNELS = Functions()

_LAST = expression("-1")
_ELEMENTWISE = {
    "sigmoid": "torch.sigmoid", "tanh": "torch.tanh", "relu": "F.relu", "silu": "F.silu", "swish": "F.silu",
    "gelu": "F.gelu", "softplus": "F.softplus", "elu": "F.elu", "exp": "torch.exp", "log": "torch.log",
    "sqrt": "torch.sqrt", "rsqrt": "torch.rsqrt", "square": "torch.square", "abs": "torch.abs", "sin": "torch.sin",
    "cos": "torch.cos", "logsigmoid": "F.logsigmoid", "log1p": "torch.log1p", "sign": "torch.sign",
    "relu6": "F.relu6", "leaky_relu": "F.leaky_relu", "hardtanh": "F.hardtanh", "neg": "torch.neg",
}  # fmt: skip
_NORMS = {
    "rms_norm": ("F.rms_norm", "z / sqrt(mean of z^2 over its channels)"),
    "layer_norm": ("F.layer_norm", "z with mean 0 and variance 1 over its channels"),
}
_REDUCTIONS = {
    "mean": ("torch.mean", "mean over the channels, size 1"),
    "sum": ("torch.sum", "sum over the channels, size 1"),
    "amax": ("torch.amax", "greatest of the channels, size 1"),
    "norm": ("torch.linalg.vector_norm", "length |z| over the channels, size 1"),
}
_WITH_CHANNELS = (Kind.SEQUENCE, Kind.HEADS, Kind.VECTOR)


def _add_elementwise(name: str, function: str) -> None:
    @CHANNELS.add(f"{name}(z)")
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        return arguments[0].written(call(function, _float_tensor(to, arguments[0])))


def _float_tensor(to: Builder, value: Value) -> ast.expr:
    """Return a value as torch's functions take it: numbers of Python and indices are none of theirs."""
    if value.kind is Kind.NUMBER and _is_plain(to, value.node):
        return call("torch.as_tensor", value.node, dtype=expression("x.dtype"))
    counts = any(isinstance(item, ast.Attribute) and item.attr == "arange" for item in ast.walk(value.node))
    return method(value.node, "float") if counts and isinstance(value.node, ast.Call) else value.node


def _is_plain(to: Builder, node: ast.expr) -> bool:
    """Whether a number is one of Python: made of constants, d_model and hyper-parameters."""
    try:
        to.constructor(node)
    except SketchError:
        return False
    return True


for _name, _torch in _ELEMENTWISE.items():
    _add_elementwise(_name, _torch)


@CHANNELS.add("softmax(z, dim=-1)")
def _softmax(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = arguments[0]
    if z.kind is Kind.SCORES:  # over the positions, then, of which the later ones must not be seen
        return causal_softmax(to, arguments, options)
    return z.written(call("torch.softmax", _with_channels(z, "softmax").node, dim=_LAST))


def _with_channels(value: Value, name: str) -> Value:
    if value.kind not in _WITH_CHANNELS:
        raise SketchError(f"{name} goes over channels, {ast.unparse(value.node)} is {value.shape}")
    return value


def _add_norm(name: str, function: str, summary: str) -> None:
    @CHANNELS.add(f"{name}(z)", summary)
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        z = to.hold(_with_channels(arguments[0], name), "z")
        return z.written(call(function, z.node, expression(f"{ast.unparse(z.node)}.shape[-1:]")))


for _name, (_torch, _summary) in _NORMS.items():
    _add_norm(_name, _torch, _summary)


@CHANNELS.add("normalize(z)", "z / |z| over its channels")
def _normalize(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = _with_channels(arguments[0], "normalize")
    return z.written(call("F.normalize", z.node, dim=_LAST))


def _add_reduction(name: str, function: str, summary: str) -> None:
    @CHANNELS.add(f"{name}(z, dim=-1, keepdim=True)", summary)
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        z = arguments[0]
        if z.kind is Kind.SCORES and name == "sum":  # over the positions, of which the later ones must not be counted
            z = Value(method(z.node, "tril"), Kind.HEADS, Size())
        _with_channels(z, name)
        return Value(call(function, z.node, dim=_LAST, keepdim=expression("True")), z.kind, Size("1"))


for _name, (_torch, _summary) in _REDUCTIONS.items():
    _add_reduction(_name, _torch, _summary)


@CHANNELS.add("dot(a, b)", "sum over the channels of a * b, size 1")
def _dot(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b, kind, size = align(arguments[0], arguments[1])
    product = _with_channels(Value(ast.BinOp(a, ast.Mult(), b), kind, size), "dot")
    if kind is Kind.VECTOR:
        return Value(call("torch.sum", product.node), Kind.NUMBER)
    return Value(call("torch.sum", product.node, dim=_LAST, keepdim=expression("True")), kind, Size("1"))


def _add_pair(name: str, bound: str, summary: str = "") -> None:
    @CHANNELS.add(f"{name}(a, b)", summary)
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        a, b = arguments[:2]
        if a.kind is Kind.NUMBER and b.kind is Kind.NUMBER and _is_plain(to, a.node) and _is_plain(to, b.node):
            return a.written(call({"maximum": "max", "minimum": "min"}[name], a.node, b.node))
        if Kind.NUMBER in (a.kind, b.kind):
            z, number = (b, a) if a.kind is Kind.NUMBER else (a, b)
            return z.written(call("torch.clamp", z.node, **{bound: number.node}))
        first, second, kind, size = align(a, b)
        return Value(call(f"torch.{name}", first, second), kind, size)


_add_pair("maximum", "min", "the greater of two, element by element")
_add_pair("minimum", "max")


@CHANNELS.add("share(a, b)", "a / (a + b) for a, b >= 0, also where both are nought")
def _share(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b, kind, size = align(arguments[0], arguments[1])
    return Value(call("gate_share", a, b), kind, size)


@CHANNELS.add("chunk(z, parts)", "z cut into equal parts: a, b = chunk(linear(x, 2 * d_model), 2)")
def _chunk(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    raise SketchError("chunk makes several values: write a, b = chunk(z, 2)")


@CHANNELS.add(
    "group_max(z, groups)", "greatest of `groups` equal parts of z's channels: group_max(linear(x, 3 * d_model), 3)"
)
def _group_max(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, size = sequence(arguments[0], "group_max")
    number = count(arguments[1], "group_max")
    groups = to.constructor(number)
    size.settle(f"{groups} * d_model")
    parted = method(z.node, "unflatten", _LAST, ast.Tuple([number, _LAST]))
    greatest = ast.Attribute(call("torch.max", parted, dim=expression("-2")), "values")
    return Value(greatest, Kind.SEQUENCE, Size(f"({size.text}) // ({groups})"))


@CHANNELS.add("concat(a, b)", "channels of a and b side by side")
def _concat(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    (a, first), (b, second) = (sequence(item, "concat") for item in arguments[:2])
    first.settle("d_model")
    second.settle("d_model")
    joined = call("torch.cat", ast.Tuple([a.node, b.node]), dim=_LAST)
    return Value(joined, Kind.SEQUENCE, Size(f"{first.text} + {second.text}"))


@CHANNELS.add("top_k(z, k)", "z where it is among the k greatest of its channels, else 0")
def _top_k(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = to.hold(_with_channels(arguments[0], "top_k"), "hidden")
    greatest = ast.Attribute(method(z.node, "topk", count(arguments[1], "top_k"), dim=_LAST), "values")
    least = ast.Subscript(greatest, ast.Tuple([ast.Constant(...), ast.Slice(_LAST)]))
    return z.written(ast.BinOp(z.node, ast.Mult(), ast.Compare(z.node, [ast.GtE()], [least])))


@CHANNELS.add("where(condition, a, b)")
def _where(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    condition = arguments[0]
    a, b, kind, size = align(arguments[1], arguments[2])
    chosen, value, kind, size = align(condition, Value(a, kind, size))
    if value is not a or condition.kind is Kind.NUMBER:
        raise SketchError("where takes a comparison such as z > 0, and two values of its shape")
    return Value(call("torch.where", chosen, a, b), kind, size)


@CHANNELS.add("ones_like(z)")
def _ones_like(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return arguments[0].written(call("torch.ones_like", arguments[0].node))


@CHANNELS.add("zeros_like(z)")
def _zeros_like(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return arguments[0].written(call("torch.zeros_like", arguments[0].node))
