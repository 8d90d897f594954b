"""The functions of a sketch: what each is called with, and what it makes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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
    same_size,
    to_heads,
    to_sequence,
)


class Builder(Protocol):
    """What a function may ask for: parameters and modules, which the compiler puts into the constructor."""

    def module(self, hint: str, make: Callable[[], str]) -> str:
        """Add a module or parameter; returns how the forward pass writes it. `make` is asked for it at the end."""

    def need_heads(self) -> None:
        """The class has heads."""

    def constructor(self, node: ast.expr) -> str:
        """Return an expression of numbers as the constructor writes it."""

    def hold(self, value: Value, hint: str) -> Value:
        """Give a value a name of its own, so that it can be written twice."""


Arguments = list[Value]
Handler = Callable[[Builder, Arguments, dict[str, Value]], Value]


@dataclass(frozen=True)
class Function:
    """A function of the vocabulary.

    Attributes:
        signature: As it is shown.
        summary: What it returns.
        make: Writes a call of it.
        least: Least number of arguments.
        names: Names of its arguments, in order, so that each may also be given by name.
    """

    signature: str
    summary: str
    make: Handler
    least: int
    names: tuple[str, ...]


FUNCTIONS: dict[str, Function] = {}


def vocabulary() -> tuple[str, ...]:
    """Return a line for each function, as a prompt shows them."""
    return tuple(f"{item.signature}: {item.summary}" for item in FUNCTIONS.values() if item.summary)


def _function(signature: str, summary: str = "") -> Callable[[Handler], Handler]:
    def register(make: Handler) -> Handler:
        head = ast.parse(f"def {signature}: pass").body[0]
        assert isinstance(head, ast.FunctionDef)
        names = tuple(item.arg for item in head.args.args)
        FUNCTIONS[head.name] = Function(signature, summary, make, len(names) - len(head.args.defaults), names)
        return make

    return register


#: What functions are also called.
OTHER_NAMES = {
    "Linear": "linear", "dense": "linear", "proj": "linear", "conv": "causal_conv", "conv1d": "causal_conv",
    "windowed_attention": "window_attention", "sliding_window_attention": "window_attention",
    "local_attention": "window_attention", "causal_attention": "attention", "softmax_attention": "attention",
    "delay": "shift", "scan": "recur", "ema": "recur", "linear_scan": "recur", "recurrence": "recur", "layernorm": "layer_norm", "rmsnorm": "rms_norm",
    "l2norm": "normalize", "normalise": "normalize", "max": "maximum", "min": "minimum", "cat": "concat",
    "concatenate": "concat", "pow": "power", "head": "split_heads", "heads_of": "split_heads", "tril": "causal",
    "cosine_similarity": "cosine", "topk": "top_k", "per_head": "param_per_head", "scalar": "param_number",
    "average": "running_mean", "cummean": "running_mean", "parameter": "param", "Parameter": "param",
}  # fmt: skip


def is_known(name: str) -> bool:
    """Whether a function of this name, or one that it is also called, exists."""
    return name in FUNCTIONS or name in OTHER_NAMES or name in ("block", "f", "max", "min", "clamp")


# -- parameters --------------------------------------------------------------------------------------------------------


@_function("linear(z, size=d_model)", "a learned linear map of z to `size` channels")
def _linear(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = to_sequence(arguments[0])
    if z.kind is not Kind.SEQUENCE or z.size is None:
        raise SketchError(f"linear takes a sequence (B, T, size), {ast.unparse(z.node)} is {z.shape}")
    before = z.size
    given = arguments[-1] if len(arguments) > 1 else None
    after = Size(to.constructor(given.node)) if given else Size()
    if after.text in ("inner", "heads", "head_dim") or (after.text and "head_dim" in after.text):
        to.need_heads()
    bias = "bias" in options and ast.unparse(options["bias"].node) == "True"

    def make() -> str:
        sizes = f"{before.text or 'd_model'}, {after.text or 'd_model'}"
        return f"nn.Linear({sizes})" if bias else f"nn.Linear({sizes}, bias=False)"

    return Value(call(to.module("linear", make), z.node), Kind.SEQUENCE, after)


@_function("param(size=d_model, init=0.0)", "a learned number per channel")
def _param(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    size = Size(to.constructor(arguments[0].node)) if arguments else Size()
    given = arguments[1] if len(arguments) > 1 else options.get("init")
    init = to.constructor(given.node) if given else "0.0"
    if size.text == "1":
        return _number(to, init)
    if size.text in ("heads", "inner"):
        to.need_heads()

    def make() -> str:
        return f"nn.Parameter(torch.full(({size.text or 'd_model'},), {_float(init)}))"

    return Value(expression(to.module("scale", make)), Kind.VECTOR, size)


@_function("param_per_head(init=0.0)", "a learned number per head")
def _param_per_head(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    init = to.constructor(arguments[0].node) if arguments else "0.0"
    name = to.module("per_head", lambda: f"nn.Parameter(torch.full((heads, 1, 1), {_float(init)}))")
    return Value(expression(name), Kind.PER_HEAD)


@_function("param_number(init=0.0)", "one learned number")
def _param_number(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _number(to, to.constructor(arguments[0].node) if arguments else "0.0")


def _number(to: Builder, init: str) -> Value:
    return Value(expression(to.module("number", lambda: f"nn.Parameter(torch.tensor({_float(init)}))")), Kind.NUMBER)


def _float(text: str) -> str:
    return f"{text}.0" if text.lstrip("-").isdigit() else text if "." in text else f"float({text})"


@_function("head_index()", "0, 1, 2 ... for the heads")
def _head_index(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    return Value(expression("torch.arange(self.heads, device=x.device).view(-1, 1, 1)"), Kind.PER_HEAD)


@_function("positions()", "1, 2, 3 ... along time")
def _positions(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(expression("torch.arange(1, x.shape[1] + 1, device=x.device).unsqueeze(-1)"), Kind.TIME)


# -- heads and attention -----------------------------------------------------------------------------------------------


@_function("split_heads(z, heads=heads)", "z as (B, H, T, head_dim)")
def _split(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    return to_heads(arguments[0])


@_function("merge_heads(z)", "back to (B, T, H * head_dim)")
def _merge(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return to_sequence(arguments[0])


def _all_heads(to: Builder, arguments: Arguments) -> list[Value]:
    to.need_heads()
    return [to_heads(item) for item in arguments]


@_function("scores(q, k)", "q_t . k_s / sqrt(head_dim) for all pairs, (B, H, T, T)")
def _scores(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k = _all_heads(to, arguments[:2])
    product = ast.BinOp(q.node, ast.MatMult(), ast.Attribute(k.node, "mT"))
    return Value(ast.BinOp(product, ast.Div(), expression("self.head_dim ** 0.5")), Kind.SCORES)


@_function("cosine(q, k)", "cosine of q_t and k_s for all pairs, (B, H, T, T)")
def _cosine(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k = (call("F.normalize", item.node, dim=expression("-1")) for item in _all_heads(to, arguments[:2]))
    return Value(ast.BinOp(q, ast.MatMult(), ast.Attribute(k, "mT")), Kind.SCORES)


@_function("causal_softmax(scores)", "softmax over the positions s <= t, (B, H, T, T); multiply it with @ v")
def _causal_softmax(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(call("causal_softmax", _of(arguments[0], Kind.SCORES, "causal_softmax").node), Kind.SCORES)


@_function("causal(weights)", "weights with zeros for s > t; weights may be any function of scores, (B, H, T, T)")
def _causal(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(method(_of(arguments[0], Kind.SCORES, "causal").node, "tril"), Kind.SCORES)


@_function("attention(q, k, v)", "softmax attention over all s <= t")
def _attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k, v = _all_heads(to, arguments[:3])
    return Value(call("causal_attention", q.node, k.node, v.node), Kind.HEADS, v.size)


@_function("window_attention(q, k, v, window)", "softmax attention over the last `window` positions, linear cost")
def _window_attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    q, k, v = _all_heads(to, arguments[:3])
    return Value(call("windowed_attention", q.node, k.node, v.node, arguments[3].node), Kind.HEADS, v.size)


def _recurrent(to: Builder, name: str, arguments: Arguments, decay: Value | None, *middle: ast.expr) -> Value:
    q, k, v = _all_heads(to, arguments[:3])
    extra = list(middle)
    if decay is not None and ast.unparse(decay.node) != "None":
        found = to_heads(decay)
        if found.kind is Kind.NUMBER:
            found = (
                Value(
                    method(
                        call("torch.full_like", expression("x[:1, :1, :1]"), found.node), "unsqueeze", expression("1")
                    ),
                    Kind.PER_HEAD,
                )
                if isinstance(found.node, ast.Constant)
                else Value(method(found.node, "view", *map(expression, "111")), Kind.PER_HEAD)
            )
            decay_node = found.node
        elif found.kind is Kind.PER_HEAD:
            decay_node = found.node
        elif found.kind is Kind.HEADS:
            if not is_one(found.size) and not (found.size and k.size and same_size(found.size, k.size)):
                raise SketchError(
                    f"the decay of {name} is {found.shape}; make it one number per head, or of the keys' size"
                )
            return Value(
                call(
                    name,
                    q.node,
                    k.node,
                    v.node,
                    *extra,
                    method(method(found.node, "clamp", expression("1e-06")), "log"),
                ),
                Kind.HEADS,
                v.size,
            )
        else:
            raise SketchError(f"the decay of {name} is {found.shape}; make it a number per head in (0, 1)")
        log = method(method(decay_node, "clamp", expression("1e-06")), "log")
        extra.append(method(log, "view", *map(expression, ("1", "-1", "1", "1"))))
    return Value(call(name, q.node, k.node, v.node, *extra), Kind.HEADS, v.size)


@_function(
    "matrix_scan(q, k, v, decay=None)",
    "q_t S_t with the state S_t = decay_t S_(t-1) + k_t v_t^T; decay in (0, 1): a number per head, or of the size of k",
)
def _matrix_scan(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _recurrent(to, "matrix_scan", arguments, arguments[3] if len(arguments) > 3 else None)


@_function(
    "delta_scan(q, k, v, strength, decay=None)",
    "q_t S_t with S_t = decay_t (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T, b = strength in (0, 1), a number per head",
)
def _delta_scan(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    strength = to_heads(arguments[3])
    if strength.kind is not Kind.HEADS or not is_one(strength.size):
        raise SketchError(f"the strength of delta_scan is {strength.shape}; write linear(x, heads).sigmoid()")
    return _recurrent(to, "delta_scan", arguments, arguments[4] if len(arguments) > 4 else None, strength.node)


@_function(
    "kernel_attention(q, k, v, decay=None)",
    "sum_s (q_t . k_s) v_s / sum_s (q_t . k_s) over s <= t for q, k >= 0, linear cost",
)
def _kernel_attention(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _recurrent(to, "kernel_attention", arguments, arguments[3] if len(arguments) > 3 else None)


# -- along time --------------------------------------------------------------------------------------------------------


@_function("shift(z, steps=1)", "z_(t - steps), zeros before the beginning")
def _shift(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = _of(to_sequence(arguments[0]), Kind.SEQUENCE, "shift")
    return z.written(call("shift", z.node, *(item.node for item in arguments[1:2])))


@_function("causal_conv(z, taps, dilation=1)", "a learned convolution, sum_(i < taps) w_i * z_(t - i * dilation)")
def _causal_conv(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = _of(to_sequence(arguments[0]), Kind.SEQUENCE, "causal_conv")
    assert z.size is not None
    size, taps = z.size, to.constructor(arguments[1].node)

    def make() -> str:
        return f"nn.Parameter(torch.randn({size.text or 'd_model'}, {taps}) / {taps if taps.isidentifier() or taps.isdigit() else f'({taps})'} ** 0.5)"

    weight = expression(to.module("taps", make))
    return z.written(call("causal_conv", z.node, weight, *(item.node for item in arguments[2:3])))


@_function("recur(a, b)", "h_t = a_t * h_(t-1) + b_t; a in (0, 1), a number per channel or a sequence")
def _recur(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b = to_sequence(arguments[0]), to.hold(to_sequence(arguments[1]), "update")
    first, second, kind, size = align(a, b)
    if kind is not Kind.SEQUENCE:
        raise SketchError(f"recur takes sequences (B, T, size), these are {a.shape} and {b.shape}")
    if a.kind is Kind.NUMBER:
        first = (
            call("torch.full_like", second, first)
            if isinstance(first, ast.Constant)
            else ast.BinOp(first, ast.Mult(), call("torch.ones_like", second))
        )
    elif a.kind is not Kind.SEQUENCE or is_one(a.size):
        first = method(first, "expand_as", second)
    return Value(call("linear_scan", first, second), Kind.SEQUENCE, size)


@_function("dot(a, b)", "sum over the channels of a * b, size 1")
def _dot(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b, kind, _ = align(arguments[0], arguments[1])
    product = ast.BinOp(a, ast.Mult(), b)
    if kind is Kind.VECTOR:
        return Value(call("torch.sum", product), Kind.NUMBER)
    if kind not in (Kind.SEQUENCE, Kind.HEADS):
        raise SketchError(f"dot goes over channels, these are {arguments[0].shape} and {arguments[1].shape}")
    return Value(call("torch.sum", product, dim=expression("-1"), keepdim=expression("True")), kind, Size("1"))


@_function("running_mean(z, window=None)", "mean of z_0 ... z_t, or of the last `window` of them")
def _running_mean(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = _of(to_sequence(arguments[0]), Kind.SEQUENCE, "running_mean")
    return z.written(call("running_mean", z.node, *(item.node for item in arguments[1:2])))


@_function("running_weighted_mean(z, logits)", "sum_(s<=t) exp(logits_s) z_s / sum_(s<=t) exp(logits_s)")
def _running_weighted_mean(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, logits = to.hold(to_sequence(arguments[0]), "value"), to_sequence(arguments[1])
    first, second, kind, size = align(z, logits)
    if kind is not Kind.SEQUENCE:
        raise SketchError(f"running_weighted_mean takes sequences, these are {z.shape} and {logits.shape}")
    if is_one(logits.size) or logits.kind is Kind.VECTOR:
        second = method(second, "expand_as", first)
    return Value(call("running_weighted_mean", first, second), Kind.SEQUENCE, size)


def _of(value: Value, kind: Kind, name: str) -> Value:
    if value.kind is not kind:
        raise SketchError(f"{name} takes {kind.value}, {ast.unparse(value.node)} is {value.shape}")
    return value


# -- element by element, and over the channels -------------------------------------------------------------------------

_ELEMENTWISE = {
    "sigmoid": "torch.sigmoid", "tanh": "torch.tanh", "relu": "F.relu", "silu": "F.silu", "swish": "F.silu",
    "gelu": "F.gelu", "softplus": "F.softplus", "elu": "F.elu", "exp": "torch.exp", "log": "torch.log",
    "sqrt": "torch.sqrt", "rsqrt": "torch.rsqrt", "square": "torch.square", "abs": "torch.abs", "sin": "torch.sin",
    "cos": "torch.cos", "logsigmoid": "F.logsigmoid", "log1p": "torch.log1p", "sign": "torch.sign",
    "relu6": "F.relu6", "leaky_relu": "F.leaky_relu", "hardtanh": "F.hardtanh", "neg": "torch.neg",
}  # fmt: skip


def _register_elementwise(name: str, function: str) -> None:
    @_function(f"{name}(z)")
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        z = arguments[0]
        node = z.node
        if z.kind is Kind.NUMBER and not ast.unparse(node).startswith("self.number"):
            node = call("torch.tensor", call("float", node)) if _is_plain(node) else node
        if z.kind in (Kind.PER_HEAD, Kind.TIME) and "arange" in ast.unparse(node):
            node = method(node, "float") if isinstance(node, ast.Call) else node
        return z.written(call(function, node))


def _is_plain(node: ast.expr) -> bool:
    """Whether a number is one of Python."""
    return all(
        isinstance(item, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)) for item in ast.walk(node)
    )


for _name, _torch in _ELEMENTWISE.items():
    _register_elementwise(_name, _torch)


@_function("softmax(z, dim=-1)")
def _softmax(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = arguments[0]
    if z.kind is Kind.SCORES:  # over the positions, then, of which the later ones must not be seen
        return _causal_softmax(to, arguments, options)
    if z.kind not in (Kind.SEQUENCE, Kind.HEADS, Kind.VECTOR):
        raise SketchError(f"softmax goes over channels, {ast.unparse(z.node)} is {z.shape}")
    return z.written(call("torch.softmax", z.node, dim=expression("-1")))


@_function("rms_norm(z)", "z / sqrt(mean of z^2 over its channels)")
def _rms_norm(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _norm(to, "F.rms_norm", arguments[0])


def _norm(to: Builder, function: str, value: Value) -> Value:
    if value.kind not in (Kind.SEQUENCE, Kind.HEADS):
        raise SketchError(f"a norm goes over channels, {ast.unparse(value.node)} is {value.shape}")
    z = to.hold(value, "z")
    return z.written(call(function, z.node, expression(f"{ast.unparse(z.node)}.shape[-1:]")))


@_function("layer_norm(z)", "z with mean 0 and variance 1 over its channels")
def _layer_norm(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _norm(to, "F.layer_norm", arguments[0])


@_function("normalize(z)", "z / |z| over its channels")
def _normalize(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return arguments[0].written(call("F.normalize", arguments[0].node, dim=expression("-1")))


def _register_reduction(name: str, function: str, shown: str) -> None:
    @_function(f"{name}(z, dim=-1, keepdim=True)", shown)
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        z = arguments[0]
        if z.kind is Kind.SCORES and name == "sum":
            seen = method(z.node, "tril")  # what comes later must not be counted
            return Value(call(function, seen, dim=expression("-1"), keepdim=expression("True")), Kind.HEADS, Size("1"))
        if z.kind not in (Kind.SEQUENCE, Kind.HEADS):
            raise SketchError(f"{name} goes over channels, {ast.unparse(z.node)} is {z.shape}")
        node = call(function, z.node, dim=expression("-1"), keepdim=expression("True"))
        return Value(node, z.kind, Size("1"))


_register_reduction("mean", "torch.mean", "mean over the channels, size 1")
_register_reduction("sum", "torch.sum", "sum over the channels, size 1")
_register_reduction("amax", "torch.amax", "greatest of the channels, size 1")
_register_reduction("norm", "torch.linalg.vector_norm", "length |z| over the channels, size 1")


def _register_pair(name: str, function: str) -> None:
    @_function(f"{name}(a, b)", "the greater of two, element by element" if name == "maximum" else "")
    def make(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
        if Kind.NUMBER in (arguments[0].kind, arguments[1].kind):
            arguments = sorted(arguments, key=lambda item: item.kind is Kind.NUMBER)
            bound = "min" if name == "maximum" else "max"
            return arguments[0].written(call("torch.clamp", arguments[0].node, **{bound: arguments[1].node}))
        a, b, kind, size = align(arguments[0], arguments[1])
        return Value(call(function, a, b), kind, size)


_register_pair("maximum", "torch.maximum")
_register_pair("minimum", "torch.minimum")


@_function("chunk(z, parts)", "z cut into equal parts: a, b = chunk(linear(x, 2 * d_model), 2)")
def _chunk(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    raise SketchError("chunk makes several values: write a, b = chunk(z, 2)")


@_function(
    "group_max(z, groups)", "greatest of `groups` equal parts of z's channels: group_max(linear(x, 3 * d_model), 3)"
)
def _group_max(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z = _of(to_sequence(arguments[0]), Kind.SEQUENCE, "group_max")
    assert z.size is not None
    groups = to.constructor(arguments[1].node)
    z.size.settle(f"{groups} * d_model")
    node = ast.Attribute(
        call(
            "torch.max",
            method(z.node, "unflatten", expression("-1"), expression(f"({ast.unparse(arguments[1].node)}, -1)")),
            dim=expression("-2"),
        ),
        "values",
    )
    return Value(node, Kind.SEQUENCE, Size(f"({z.size.text}) // ({groups})"))


@_function("concat(a, b)", "channels of a and b side by side")
def _concat(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b = (to_sequence(item) for item in arguments[:2])
    if a.kind is not Kind.SEQUENCE or b.kind is not Kind.SEQUENCE or a.size is None or b.size is None:
        raise SketchError(f"concat takes two sequences, these are {a.shape} and {b.shape}")
    for item in (a.size, b.size):
        item.settle("d_model")
    size = Size(f"{a.size.text} + {b.size.text}")
    return Value(call("torch.cat", ast.Tuple([a.node, b.node]), dim=expression("-1")), Kind.SEQUENCE, size)


@_function("top_k(z, k)", "z where it is among the k greatest of its channels, else 0")
def _top_k(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, k = to.hold(arguments[0], "hidden"), arguments[1]
    least = ast.parse(f"{ast.unparse(z.node)}.topk({ast.unparse(k.node)}, dim=-1).values[..., -1:]", mode="eval").body
    mask = ast.Compare(z.node, [ast.GtE()], [least])
    return z.written(ast.BinOp(z.node, ast.Mult(), mask))


@_function("where(condition, a, b)")
def _where(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    a, b, kind, size = align(arguments[1], arguments[2])
    return Value(call("torch.where", arguments[0].node, a, b), kind, size if size else arguments[0].size)


@_function("ones_like(z)")
def _ones_like(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return arguments[0].written(call("torch.ones_like", arguments[0].node))


@_function("zeros_like(z)")
def _zeros_like(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return arguments[0].written(call("torch.zeros_like", arguments[0].node))


__all__ = ["FUNCTIONS", "Builder", "Function", "per_head_number", "vocabulary"]
