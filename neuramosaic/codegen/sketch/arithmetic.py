"""Arithmetic over names, evaluated without running anything: sizes come from text that a language model wrote."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

#: Nothing on the way to a result may be larger: no size is, and a power of powers would fill the memory.
LARGEST = 10**12
_LARGEST_EXPONENT = 64

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"max": max, "min": min, "int": int, "sqrt": math.sqrt}


def evaluate(node: ast.expr, places: Mapping[str, float]) -> float:
    """Return the value of an expression of numbers, names, + - * / // **, max, min, int and sqrt.

    Args:
        node: The expression.
        places: What each name stands for.

    Raises:
        ValueError: If it holds anything else, has no value, or something in it is larger than LARGEST.
    """
    try:
        value = _value(node, places)
    except ArithmeticError as error:
        raise ValueError(str(error)) from error
    if isinstance(value, complex) or not abs(value) <= LARGEST:  # not a number neither
        raise ValueError(f"a number above {LARGEST:,}")
    return value


def _value(node: ast.expr, places: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in places:
            return places[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand, places)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return evaluate(operand, places)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(evaluate(left, places), evaluate(right, places))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](evaluate(left, places), evaluate(right, places))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
            return _called(name, [evaluate(item, places) for item in arguments])
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math"), attr="sqrt"), args=[argument], keywords=[]):
            return _called("sqrt", [evaluate(argument, places)])
    raise ValueError("no arithmetic of numbers and sizes")


def _called(name: str, arguments: list[float]) -> float:
    if name in ("int", "sqrt") and len(arguments) != 1:
        raise ValueError(f"{name} takes one number")
    return _FUNCTIONS[name](*arguments) if len(arguments) > 1 or name in ("int", "sqrt") else arguments[0]


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > _LARGEST_EXPONENT:
        raise ValueError(f"an exponent above {_LARGEST_EXPONENT}")
    power: float = base**exponent
    return power
