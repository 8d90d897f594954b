"""What equations are made of."""

from __future__ import annotations

from dataclasses import dataclass


class Node:
    """A part of an equation."""


@dataclass(frozen=True)
class Number(Node):
    """A number, as it is written."""

    text: str


@dataclass(frozen=True)
class Symbol(Node):
    """A name with its indices: `W_q`, `h_{t-1}`, `q_t^{(h)}`."""

    name: str
    indices: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Call(Node):
    """A function of arguments: `softmax_s(z)`; its name as it is written, its index, its arguments."""

    name: str
    indices: tuple[Node, ...]
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Operation(Node):
    """Two parts with a sign between them: + - * / ^ . (dot) x (outer product), or nothing (`side`)."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Minus(Node):
    """`-z`."""

    inner: Node


@dataclass(frozen=True)
class Transpose(Node):
    """`z^T`."""

    inner: Node


@dataclass(frozen=True)
class Length(Node):
    """`|z|` and `||z||_p`."""

    inner: Node
    bars: int
    order: Node | None = None


@dataclass(frozen=True)
class Over(Node):
    """A sum, product, maximum or mean over an index: `sum_{s <= t} ...`, `sum_{i=0}^{K-1} ...`."""

    kind: str
    index: str
    low: Node | None
    low_open: bool
    high: Node | None
    high_open: bool
    body: Node


@dataclass(frozen=True)
class Joined(Node):
    """`[a; b]`: channels side by side."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Cases(Node):
    """A definition by cases: values with their conditions, and what holds elsewhere."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node


@dataclass(frozen=True)
class Compared(Node):
    """`a <= b`."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class At(Node):
    """A bracket with an index: `(W x)_{t-1}`."""

    inner: Node
    indices: tuple[Node, ...]


@dataclass(frozen=True)
class Statement:
    """A definition.

    Attributes:
        left: What is defined: symbols, or groups of them that a value is cut into.
        right: As many values as there are on the left side, or one that is cut.
        parameter: For the definition of a function, such as `phi(z) = ...`, the names of its arguments.
        remark: What is said behind it, in words.
    """

    left: tuple[Node, ...]
    right: tuple[Node, ...]
    parameters: tuple[str, ...] = ()
    remark: str = ""


def walk(node: Node | None) -> list[Node]:
    """Return a part and all parts of it."""
    if node is None:
        return []
    found = [node]
    for value in vars(node).values():
        for item in value if isinstance(value, tuple) else (value,):
            for inner in item if isinstance(item, tuple) else (item,):
                if isinstance(inner, Node):
                    found += walk(inner)
    return found
