"""Functions of a sketch that make parameters, and numbers along heads and time."""

from __future__ import annotations

import ast

from neuramosaic.codegen.sketch.arithmetic import evaluate
from neuramosaic.codegen.sketch.functions import Arguments, Builder, Functions, sequence
from neuramosaic.codegen.sketch.values import Kind, Size, SketchError, Value, call, expression

PARAMETERS = Functions()


@PARAMETERS.add("linear(z, size=d_model)", "a learned linear map of z to `size` channels")
def _linear(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    z, before = sequence(arguments[0], "linear")
    after = _size(to, arguments[1]) if len(arguments) > 1 else Size()
    bias = "" if "bias" in options and ast.unparse(options["bias"].node) == "True" else ", bias=False"
    name = to.module("linear", lambda: f"nn.Linear({before.text or 'd_model'}, {after.text or 'd_model'}{bias})")
    return Value(call(name, z.node), Kind.SEQUENCE, after)


@PARAMETERS.add("param(size=d_model, init=0.0)", "a learned number per channel")
def _param(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    size = _size(to, arguments[0]) if arguments else Size()
    init = _start(to, arguments[1] if len(arguments) > 1 else options.get("init"))
    if size.text == "1":
        return _number(to, init)
    if "spread" in options:
        spread = to.constructor(options["spread"].node)
        name = to.module("scale", lambda: f"nn.Parameter({spread} * torch.randn({size.text or 'd_model'}))")
        return Value(expression(name), Kind.VECTOR, size)
    name = to.module("scale", lambda: f"nn.Parameter(torch.full(({size.text or 'd_model'},), {init}))")
    return Value(expression(name), Kind.VECTOR, size)


@PARAMETERS.add("param_per_head(init=0.0)", "a learned number per head")
def _param_per_head(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    init = _start(to, arguments[0] if arguments else None)
    name = to.module("per_head", lambda: f"nn.Parameter(torch.full((heads, 1, 1), {init}))")
    return Value(expression(name), Kind.PER_HEAD)


@PARAMETERS.add("param_number(init=0.0)", "one learned number")
def _param_number(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return _number(to, _start(to, arguments[0] if arguments else None))


@PARAMETERS.add("head_index()", "0, 1, 2 ... for the heads")
def _head_index(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    to.need_heads()
    return Value(expression("torch.arange(self.heads, device=x.device, dtype=x.dtype).view(-1, 1, 1)"), Kind.PER_HEAD)


@PARAMETERS.add("positions()", "1, 2, 3 ... along time")
def _positions(to: Builder, arguments: Arguments, options: dict[str, Value]) -> Value:
    return Value(expression("torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype).unsqueeze(-1)"), Kind.TIME)


def _number(to: Builder, init: str) -> Value:
    return Value(expression(to.module("number", lambda: f"nn.Parameter(torch.tensor({init}))")), Kind.NUMBER)


def _size(to: Builder, value: Value) -> Size:
    """Return the size that an argument asks for."""
    size = Size(to.constructor(value.node))
    if size.text is not None and any(name in size.text for name in ("head", "inner")):
        to.need_heads()
    return size


def _start(to: Builder, value: Value | None) -> str:
    """Return what a parameter starts as, a float."""
    if value is None:
        return "0.0"
    text = to.constructor(value.node)
    if not isinstance(value.node, (ast.Constant, ast.UnaryOp)):
        return text if "." in text else f"float({text})"
    try:
        number = evaluate(value.node, {})
    except ValueError as error:
        raise SketchError(f"a parameter cannot start at {text}: {error}") from error
    return text if isinstance(number, float) else f"{text}.0"
