"""What a function of a sketch is, and tables of them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from neuramosaic.codegen.sketch.arithmetic import evaluate
from neuramosaic.codegen.sketch.values import Kind, Size, SketchError, Value, to_sequence


class Builder(Protocol):
    """What a function may ask of the compiler that writes the class."""

    def module(self, hint: str, make: Callable[[], str]) -> str:
        """Add a module or parameter; returns how the forward pass writes it.

        Args:
            hint: Its name, unless it is assigned to one or the name is taken.
            make: Returns how the constructor makes it; called at the end, when every size is settled.
        """

    def need_heads(self) -> None:
        """Say that the class has heads."""

    def constructor(self, node: ast.expr) -> str:
        """Return an expression of numbers as the constructor writes it.

        Raises:
            SketchError: If it holds anything else.
        """

    def hold(self, value: Value, hint: str) -> Value:
        """Give a value a name of its own in the forward pass, so that it can be written twice."""


#: No delay, window or number of parts is larger.
_MOST = 10**6

Arguments = list[Value]
Handler = Callable[[Builder, Arguments, dict[str, Value]], Value]


@dataclass(frozen=True)
class Function:
    """A function of the vocabulary.

    Attributes:
        signature: As it is shown.
        summary: What it returns; empty for what is shown nowhere.
        make: Writes a call of it, of the arguments that were given in order and of options by name.
        least: Least number of arguments.
        names: Names of its arguments, in order, so that each may also be given by name.
    """

    signature: str
    summary: str
    make: Handler
    least: int
    names: tuple[str, ...]


class Functions(dict[str, Function]):
    """Functions by name."""

    def add(self, signature: str, summary: str = "") -> Callable[[Handler], Handler]:
        """Return a decorator that adds a function under its signature, such as `shift(z, steps=1)`."""

        def register(make: Handler) -> Handler:
            head = ast.parse(f"def {signature}: pass").body[0]
            assert isinstance(head, ast.FunctionDef)
            names = tuple(item.arg for item in head.args.args)
            self[head.name] = Function(signature, summary, make, len(names) - len(head.args.defaults), names)
            return make

        return register


def of_kind(value: Value, kind: Kind, name: str) -> Value:
    """Return a value if it has the shape that a function takes.

    Raises:
        SketchError: If it has another.
    """
    if value.kind is not kind:
        raise SketchError(f"{name} takes {kind.value}, {ast.unparse(value.node)} is {value.shape}")
    return value


def sequence(value: Value, name: str) -> tuple[Value, Size]:
    """Return a value as a sequence (B, T, size), heads brought together, and its size.

    Raises:
        SketchError: If it is none.
    """
    z = of_kind(to_sequence(value), Kind.SEQUENCE, name)
    if z.size is None:
        raise SketchError(f"{name} takes {Kind.SEQUENCE.value}, {ast.unparse(z.node)} has no channels")
    return z, z.size


def count(value: Value, name: str, least: int = 1) -> ast.expr:
    """Return a number of steps, parts or positions.

    Raises:
        SketchError: If it is no number, or less than `least`.
    """
    node = of_kind(value, Kind.NUMBER, name).node
    if any(isinstance(item, ast.Name) for item in ast.walk(node)):
        if any(isinstance(item, ast.Div) for item in ast.walk(node)):
            node = ast.Call(ast.Name("int"), [node], [])  # half of an odd size, and what / makes of an even one
        return node  # over hyper-parameters, which have no value yet
    try:
        number: float | None = evaluate(node, {})
    except ValueError:
        number = None
    if not isinstance(number, int) or not least <= number <= _MOST:
        raise SketchError(f"{name} takes a whole number from {least} on, and no absurd one")
    return node
