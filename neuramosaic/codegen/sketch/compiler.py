"""From a sketch to the class that a component is."""

from __future__ import annotations

import ast
import re

from neuramosaic.codegen.sketch.calls import plain_name
from neuramosaic.codegen.sketch.draft import Draft
from neuramosaic.codegen.sketch.expressions import Expressions
from neuramosaic.codegen.sketch.notation import Notation
from neuramosaic.codegen.sketch.values import Kind, Size, SketchError, Value, expression, to_sequence
from neuramosaic.codegen.sketch.vocabulary import FUNCTIONS
from neuramosaic.components.card import Card

_TOO_DEEP = "the sketch is nested too deeply; write shorter lines"


def class_name(card: Card) -> str:
    """Return the name of a card's class."""
    return "".join(part[:1].upper() + part[1:] for part in card.name.split("_"))


def compile_sketch(sketch: str, card: Card, *, exact: bool = False) -> str:
    """Return the source of the component that a sketch describes; building blocks are not inlined yet.

    Args:
        sketch: Statements that assign names, and a last `return`; `x` is the input, for a modulator `block(...)` runs
            the block that it wraps.
        card: What the component is to be: its name, slot and hyper-parameters.
        exact: Whether it is Python as it stands, so that nothing in it is taken for mathematical notation.

    Raises:
        SketchError: If the sketch makes no component; says which line and what to write instead.
    """
    try:
        return _Compiler(card).compile(sketch, exact)
    except (RecursionError, MemoryError):
        raise SketchError(_TOO_DEEP) from None


class _Compiler:
    """Compiles one sketch."""

    def __init__(self, card: Card) -> None:
        self._values: dict[str, Value] = {"x": Value(expression("x"), Kind.SEQUENCE, Size("d_model"))}
        self._card = card
        self._draft = Draft(card, self._values)
        self._expressions = Expressions(self._draft)

    def compile(self, sketch: str, exact: bool) -> str:
        """Return the class."""
        notation = Notation()
        rewritten = [line if exact else notation.rewrite(line) for line in sketch.splitlines()]
        body = _statements("\n".join(line for line in rewritten if line.strip()))
        if not body:
            raise SketchError("the sketch is empty")
        returned: Value | None = None
        for node in body:
            try:
                if isinstance(node, ast.Return) and node.value is not None:
                    self._draft.hint = "out" if isinstance(node.value, ast.Call) else None
                    returned = self._expressions.value(node.value)
                    break
                self._statement(node)
            except SketchError as error:
                raise SketchError(f"`{ast.unparse(node)}`: {error}") from None
        last = body[-1]
        if returned is None and isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
            returned = self._values.get(last.targets[0].id)
        if returned is None:
            raise SketchError("the sketch has to end with `return` and the output")
        output = self._output(returned, exact)
        return self._draft.source(class_name(self._card), output)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()):
                return  # a docstring
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self._assign(name, ast.BinOp(ast.Name(name), op, value))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._assign(name, value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(name, value)
            case ast.Assign(targets=[ast.Tuple() as target], value=value):
                self._unpack(target, value)
            case ast.Assign(targets=[_]) | ast.AnnAssign(value=ast.expr()):
                raise SketchError("assign to a plain name")
            case _:
                raise SketchError(
                    "only `name = expression` and `return expression` make a sketch; no loops, no conditions"
                )

    def _assign(self, name: str, node: ast.expr) -> None:
        name = _without_position(name)
        if name == "heads" and "heads" not in self._draft.hyperparameters and isinstance(node, ast.Constant):
            self._draft.default_heads(node.value)
        if name in self._draft.hyperparameters or name in ("d_model", "inner", "head_dim", "heads"):
            return  # these are there already
        self._draft.hint = name
        value = self._expressions.value(node)
        is_parameter = isinstance(value.node, (ast.Attribute, ast.Constant))
        if is_parameter and value.kind in (Kind.VECTOR, Kind.PER_HEAD, Kind.NUMBER):
            self._values[name] = value  # by its own name
        else:
            self._draft.assign(name, value)

    def _unpack(self, target: ast.Tuple, node: ast.expr) -> None:
        names = [_without_position(item.id) for item in target.elts if isinstance(item, ast.Name)]
        if len(names) != len(target.elts):
            raise SketchError("assign to plain names")
        if isinstance(node, ast.Tuple) and len(node.elts) == len(names):
            for name, item in zip(names, node.elts, strict=True):
                self._assign(name, item)
            return
        z = self._chunked("_and_".join(names), node)
        if z.kind is not Kind.SEQUENCE or z.size is None:
            raise SketchError(f"chunk takes a sequence, {ast.unparse(z.node)} is {z.shape}")
        count = len(names)
        z.size.settle(f"{count} * d_model")
        whole = z.size.text or ""
        factor = re.fullmatch(rf"{count} \* (.+)", whole) or re.fullmatch(rf"(.+) \* {count}", whole)
        part = factor[1] if factor else f"({whole}) // {count}"
        written = [self._draft.local(name) for name in names]
        for name, local in zip(names, written, strict=True):
            self._values[name] = Value(ast.Name(local), Kind.SEQUENCE, Size(part))
        self._draft.lines.append(f"{', '.join(written)} = {ast.unparse(z.node)}.chunk({count}, dim=-1)")

    def _chunked(self, hint: str, node: ast.expr) -> Value:
        """Return what `chunk(z, 2)` or `z.chunk(2)` cuts."""
        if isinstance(node, ast.Call) and plain_name(node) in ("chunk", "split") and node.args:
            cut = node.args[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "chunk":
            cut = node.func.value
        else:
            raise SketchError("several names take several values: a, b = chunk(z, 2), or a, b = one, other")
        self._draft.hint = hint
        return to_sequence(self._expressions.value(cut))

    def _output(self, value: Value, exact: bool) -> str:
        """Return the output, (B, T, D): what has other channels gets a last linear map, unless nothing may be added."""
        if value.kind not in (Kind.SEQUENCE, Kind.HEADS):
            raise SketchError(f"the output is {value.shape}, it has to be a sequence (B, T, d_model)")
        value = to_sequence(value)
        assert value.size is not None
        value.size.settle("d_model")
        if value.size.key == Size("d_model").key:
            return ast.unparse(value.node)
        if self._draft.has_one_head and value.size.key == Size("inner").key:
            return ast.unparse(value.node)
        if exact:
            raise SketchError(f"the output has {value.size.text} channels, not d_model, and nothing maps it back")
        self._draft.hint = "out"
        return ast.unparse(FUNCTIONS["linear"].make(self._draft, [value], {}).node)


def _without_position(name: str) -> str:
    """Return a name without a card's index of the position: a sketch has whole sequences."""
    return re.sub(r"_[ts]$", "", name) or name


def _statements(sketch: str) -> list[ast.stmt]:
    """Return the statements of a sketch; a surrounding `def` is taken off.

    Raises:
        SketchError: If it is no Python.
    """
    lines = [line for line in sketch.splitlines() if line.strip() and not line.strip().startswith("```")]
    if lines:
        indent = min(len(line) - len(line.lstrip()) for line in lines)
        lines = [line[indent:] for line in lines]
    try:
        body = ast.parse("\n".join(lines)).body
    except (SyntaxError, ValueError) as error:
        where, what = getattr(error, "lineno", 0) or 0, getattr(error, "msg", error)
        shown = lines[where - 1].strip() if 0 < where <= len(lines) else ""
        raise SketchError(f"`{shown}` is no Python: {what}") from None
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef):
        body = body[0].body
    return body
