"""The values of a sketch: what shape each has, and how two of them are brought together."""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from neuramosaic.codegen.sketch.arithmetic import evaluate
from neuramosaic.errors import CodegenError

#: Channels at d_model = 64 that no component has, and characters that no expression of a size needs.
_WIDEST = 64 * 1024
_LONGEST = 200


class SketchError(CodegenError):
    """A sketch that makes no component. Says which line, and what to write instead."""


class Kind(Enum):
    """Shapes, with what a person would call them."""

    SEQUENCE = "a sequence (B, T, size)"
    HEADS = "split into heads (B, H, T, size)"
    TRANSPOSED = "transposed heads (B, H, size, T)"
    SCORES = "scores (B, H, T, T)"
    VECTOR = "one number per channel"
    PER_HEAD = "one number per head"
    TIME = "one number per position"
    NUMBER = "a number"


class Size:
    """Number of channels: an expression over d_model and the hyper-parameters, or open until something settles it.

    Args:
        text: The expression; None leaves it open.

    Raises:
        SketchError: If the expression is no number of channels, or an absurd one.
    """

    def __init__(self, text: str | None = None) -> None:
        self._text = None if text is None else _checked(text)
        self._same: Size | None = None

    @property
    def text(self) -> str | None:
        """The expression, or None while it is open."""
        return self._root()._text

    def settle(self, text: str) -> None:
        """Say what an open size is; one that is not open stays as it is."""
        root = self._root()
        if root._text is None:
            root._text = _checked(text)

    def join(self, other: Size) -> None:
        """Make an open size the same as another."""
        root, end = self._root(), other._root()
        if root is not end:
            root._same = end

    @property
    def key(self) -> object:
        """Equal for expressions that mean the same: their value where the names stand for odd numbers."""
        return None if self.text is None else _key(self.text)

    def _root(self) -> Size:
        root = self
        while root._same is not None:
            root = root._same
        return root


@lru_cache(maxsize=4096)
def _checked(text: str) -> str:
    """Return the expression of a size as a whole number; at usual settings it has to be a sensible one."""
    if len(text) > _LONGEST:
        raise SketchError("a size is an expression over d_model and the hyper-parameters, shorter than this one")
    try:
        value = _evaluated(text, {"d_model": 64, "inner": 64, "heads": 4, "head_dim": 16}, lambda _: 8)
    except ValueError as error:
        raise SketchError(f"{text} is no size: {error}; write, say, 2 * d_model") from error
    if value > _WIDEST or (not _names(text) and value < 1):
        raise SketchError(f"a size of {text} makes no sense: write, say, 2 * d_model")
    return text if isinstance(value, int) else f"int({text})"


@lru_cache(maxsize=4096)
def _key(text: str) -> object:
    known = {"d_model": 83, "inner": 70, "heads": 7, "head_dim": 10}
    try:
        return _evaluated(text, known, lambda name: 1009 + 2 * (zlib.crc32(name.encode()) % 4999))
    except ValueError:
        return text  # one that has no value there is equal to itself alone


def _evaluated(text: str, known: Mapping[str, int], other: Callable[[str], int]) -> float:
    return evaluate(expression(text), {name: known.get(name) or other(name) for name in _names(text)})


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(expression(text)) if isinstance(node, ast.Name)}


@dataclass(frozen=True)
class Value:
    """A value: how it is written, and its shape.

    Attributes:
        node: The expression.
        kind: Its shape.
        size: Channels of it, where the shape has any.
    """

    node: ast.expr
    kind: Kind
    size: Size | None = None

    @property
    def shape(self) -> str:
        """What it is, for a message."""
        if self.size is None:
            return self.kind.value
        return self.kind.value.replace("size", self.size.text or "d_model")

    def written(self, node: ast.expr) -> Value:
        """Return a value of the same shape, written otherwise."""
        return replace(self, node=node)


def call(name: str, *arguments: ast.expr, **keywords: ast.expr) -> ast.Call:
    """Return a call of a function by its dotted name."""
    function = ast.parse(name, mode="eval").body
    return ast.Call(function, list(arguments), [ast.keyword(key, value) for key, value in keywords.items()])


def method(node: ast.expr, name: str, *arguments: ast.expr, **keywords: ast.expr) -> ast.Call:
    """Return a call of a method."""
    return ast.Call(ast.Attribute(node, name), list(arguments), [ast.keyword(*item) for item in keywords.items()])


def expression(text: str) -> ast.expr:
    """Return an expression from its text."""
    return ast.parse(text, mode="eval").body


def same_size(a: Size, b: Size) -> bool:
    """Whether two sizes are or can be made the same; makes them so."""
    if a.text is None:
        a.join(b)
        return True
    if b.text is None:
        b.join(a)
        return True
    return a.key == b.key


def is_one(size: Size | None) -> bool:
    """Whether there is one channel."""
    return size is not None and size.text == "1"


def per_head_number(size: Size | None) -> bool:
    """Whether there is one number per head."""
    return size is not None and size.key == Size("heads").key


def to_heads(value: Value) -> Value:
    """Split a value's channels into heads.

    Raises:
        SketchError: If it has other channels than heads have.
    """
    if value.kind in (Kind.HEADS, Kind.PER_HEAD, Kind.NUMBER, Kind.TIME, Kind.SCORES):
        return value
    size = value.size
    assert size is not None
    if size.text is None:
        size.settle("inner")
    heads = expression("self.heads")
    if value.kind is Kind.VECTOR:
        if per_head_number(size):
            return Value(method(value.node, "view", heads, *map(expression, ("1", "1"))), Kind.PER_HEAD)
        if size.key == Size("inner").key:
            node = method(value.node, "view", heads, expression("1"), expression("-1"))
            return Value(node, Kind.HEADS, Size("head_dim"))
    elif per_head_number(size):
        return Value(call("split_heads", value.node, heads), Kind.HEADS, Size("1"))
    elif is_one(size):
        return Value(method(value.node, "unsqueeze", expression("1")), Kind.HEADS, size)
    elif size.key == Size("inner").key:
        return Value(call("split_heads", value.node, heads), Kind.HEADS, Size("head_dim"))
    elif size.key == Size("2 * inner").key:
        return Value(call("split_heads", value.node, heads), Kind.HEADS, Size("2 * head_dim"))
    raise SketchError(
        f"{ast.unparse(value.node)} is {value.shape}, which does not divide into heads: write split_heads(linear(...))"
    )


def to_sequence(value: Value) -> Value:
    """Bring heads together again."""
    if value.kind is not Kind.HEADS:
        return value
    assert value.size is not None
    text = value.size.text or "head_dim"
    size = {"head_dim": "inner", "1": "heads"}.get(text, f"heads * ({text})")
    return Value(call("merge_heads", value.node), Kind.SEQUENCE, Size(size))


def align(a: Value, b: Value) -> tuple[ast.expr, ast.expr, Kind, Size | None]:
    """Bring two values together for an element-wise operation: both expressions, and the shape of the result.

    Raises:
        SketchError: If they do not fit.
    """
    kinds = {a.kind, b.kind}
    if any(isinstance(value.node, ast.Constant) and value.node.value is None for value in (a, b)):
        raise SketchError("None is no number")
    if Kind.NUMBER in kinds:
        other = b if a.kind is Kind.NUMBER else a
        return a.node, b.node, other.kind, other.size
    if Kind.SCORES in kinds:  # what is not said of the positions is one number per head
        for value in (a, b):
            if value.kind is Kind.VECTOR and value.size is not None:
                value.size.settle("heads")
    if kinds == {Kind.HEADS, Kind.VECTOR} and _is_shared(*((a, b) if a.kind is Kind.VECTOR else (b, a))):
        pass  # a number per channel of a head, the same for all heads
    elif kinds & {Kind.HEADS, Kind.PER_HEAD, Kind.SCORES} and kinds & {Kind.SEQUENCE, Kind.VECTOR}:
        a, b = to_heads(a), to_heads(b)
    elif a.size is not None and b.size is not None:
        if {a.size.key, b.size.key} == {Size("heads").key, Size("inner").key}:
            a, b = to_heads(a), to_heads(b)
    shape = _common_shape(a, b)
    if shape is None:
        raise SketchError(
            f"{ast.unparse(a.node)} is {a.shape} and {ast.unparse(b.node)} is {b.shape}: they do not fit; "
            "give the one that linear(...) or param(...) makes the size of the other"
        )
    return a.node, b.node, *shape


def _is_shared(vector: Value, heads: Value) -> bool:
    """Whether a vector has a number for each channel of a head, and not for those of all heads."""
    one, other = vector.size, heads.size
    if one is None or other is None or one.text is None or other.text is None or is_one(other):
        return False
    return one.key == other.key and one.key != Size("inner").key


def _common_shape(a: Value, b: Value) -> tuple[Kind, Size | None] | None:
    """Return what two values that broadcast as they are make together; None if they do not fit."""
    kinds = {a.kind, b.kind}
    if Kind.SCORES in kinds:
        other = b if a.kind is Kind.SCORES else a
        flat = other.kind is Kind.HEADS and is_one(other.size)
        return (Kind.SCORES, None) if flat or other.kind in (Kind.SCORES, Kind.PER_HEAD, Kind.TIME) else None
    if Kind.TIME in kinds or Kind.PER_HEAD in kinds:
        wider = [value for value in (a, b) if value.kind not in (Kind.TIME, Kind.PER_HEAD)]
        if wider:
            return (Kind.SEQUENCE if wider[0].kind is Kind.VECTOR else wider[0].kind), wider[0].size
        return (a.kind, None) if a.kind is b.kind else (Kind.HEADS, Size("1"))
    if a.size is None or b.size is None:
        return None
    kind = next(kind for kind in (Kind.HEADS, Kind.TRANSPOSED, Kind.SEQUENCE, Kind.VECTOR) if kind in kinds)
    if is_one(a.size) or is_one(b.size):
        return kind, b.size if is_one(a.size) else a.size
    return (kind, a.size) if same_size(a.size, b.size) else None
