"""Expressions of a sketch: what shape each has, and how the class writes it."""

from __future__ import annotations

import ast
import re

from neuramosaic.codegen.sketch.calls import Call, read_call
from neuramosaic.codegen.sketch.draft import Draft
from neuramosaic.codegen.sketch.facts import facts_of
from neuramosaic.codegen.sketch.values import (
    Kind,
    Size,
    SketchError,
    Value,
    align,
    expression,
    is_one,
    per_head_number,
    same_size,
    to_heads,
    to_sequence,
)
from neuramosaic.codegen.sketch.vocabulary import FUNCTIONS
from neuramosaic.components.spec import Slot

#: Words of an equation that are no symbols.
_WORDS = frozenset("x y in where with per each head for the a_learned sum softmax I T S".split())
#: Names of a map that a card makes up: W, W_o, u_gate, V.
_MAP = re.compile(r"[WUV]_?\w*|[wu]_\w+|[A-HJ-RX-Z](_\w)?")
#: Symbols that scale, and start at one.
_SCALES = ("g", "gamma", "scale", "w", "s")
#: Methods that change no shape that a sketch knows, or one that is taken care of.
_WITHOUT_EFFECT = ("float", "contiguous", "to", "unsqueeze", "view", "expand_as", "squeeze")


class Expressions:
    """Evaluates the expressions of one sketch, and writes what they need into a draft."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._facts = facts_of(draft.card)
        symbols = set(re.findall(r"[A-Za-z]\w*", " ".join(draft.card.equations))) - _WORDS | {"learned"}
        self._symbols = symbols | {re.sub(r"_[dtsh]$", "", name) for name in symbols}
        self._maps: dict[str, tuple[Value, Size | None]] = {}

    def value(self, node: ast.expr) -> Value:
        """Return the value of an expression.

        Raises:
            SketchError: If it has none.
        """
        match node:
            case ast.Constant(value=int() | float() | None):
                return Value(node, Kind.NUMBER)
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp(op=op, operand=operand):
                value = self.value(operand)
                return value.written(ast.UnaryOp(op, value.node))
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(self.value(left), op, self.value(right))
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                a, b, kind, size = align(self.value(left), self.value(right))
                return Value(ast.Compare(a, [comparison], [b]), kind, size)
            case ast.Call():
                return self._call(read_call(node))
            case ast.Attribute(value=inner, attr="mT" | "T"):
                return self._transposed(inner)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._name(name)
            case ast.Attribute(value=ast.Name(id="math"), attr="pi" | "e" | "tau" | "inf"):
                return Value(node, Kind.NUMBER)
        raise SketchError(f"`{ast.unparse(node)}` has no place in a sketch; use the functions that are there")

    # -- names ---------------------------------------------------------------------------------------------------------

    def _name(self, name: str) -> Value:
        hyperparameters, values = self._draft.hyperparameters, self._draft.values
        if name not in hyperparameters:
            name = self._known_name(name)
        if name in values:
            return values[name]
        if name in hyperparameters:
            return self._draft.number(name)
        if (place := self._place(name)) is not None:
            return place
        if name in self._facts.constants:
            return Value(expression(self._facts.constants[name]), Kind.NUMBER)
        if name in ("d", "d_h", "d_k", "hd") and name not in self._facts.starts:
            return self._name("head_dim" if "heads" in hyperparameters else "d_model")
        if name == "D":
            return self._name("d_model")
        if name in ("eps", "epsilon"):
            return Value(ast.Constant(1e-6), Kind.NUMBER)
        if name in self._symbols:
            return self._symbol(name)
        raise SketchError(f"{name} is not known; known are {', '.join([*values, *hyperparameters])}")

    def _place(self, name: str) -> Value | None:
        """Return what a name means in every sketch: sizes, the length, positions and heads; None for any other."""
        if name in ("heads", "head_dim", "inner"):
            self._draft.need_heads()
            return Value(expression("self.heads * self.head_dim" if name == "inner" else f"self.{name}"), Kind.NUMBER)
        if name in ("d_model", "T"):
            return Value(expression("x.shape[-1]" if name == "d_model" else "x.shape[1]"), Kind.NUMBER)
        if name in ("t", "h"):
            return FUNCTIONS["positions" if name == "t" else "head_index"].make(self._draft, [], {})
        return None

    def _known_name(self, name: str) -> str:
        """Return the name that is meant: cards index with t, s and h what a sketch has without."""
        bare = re.sub(r"_(t|s|ts|h|i|j)$", "", name)
        for candidate in (name, bare, *(f"{bare}_{index}" for index in ("t", "s", "ts", "h"))):
            if candidate in self._draft.values:
                return candidate
        return name

    def _symbol(self, name: str) -> Value:
        """Return a learned parameter that the card has a name for and says no more of."""
        bare = re.sub(r"_(t|s|h)$", "", name)
        start = self._facts.starts.get(name) or self._facts.starts.get(bare)
        first = [Value(expression(start), Kind.NUMBER)] if start else []
        held, self._draft.hint = self._draft.hint, bare
        if name in self._facts.spreads:
            spread = Value(expression(self._facts.spreads[name]), Kind.NUMBER)
            value = FUNCTIONS["param"].make(self._draft, [], {"spread": spread})
        elif name.endswith("_h") and "heads" in self._draft.hyperparameters:
            value = FUNCTIONS["param_per_head"].make(self._draft, first, {})
        elif name in self._facts.numbers:
            value = FUNCTIONS["param_number"].make(self._draft, first, {})
        else:
            init = start or ("1.0" if bare in _SCALES else "0.0")
            value = FUNCTIONS["param"].make(self._draft, [], {"init": Value(expression(init), Kind.NUMBER)})
        self._draft.hint = held
        self._draft.values[name] = value
        return value

    # -- operations ----------------------------------------------------------------------------------------------------

    def _operation(self, a: Value, op: ast.operator, b: Value) -> Value:
        if isinstance(op, ast.MatMult):
            return _product(a, b)
        of_each_query = is_one(b.size) or (b.kind is Kind.SEQUENCE and per_head_number(b.size))
        is_weighted = a.kind is Kind.SCORES and b.kind in (Kind.HEADS, Kind.SEQUENCE) and not of_each_query
        if isinstance(op, ast.Mult) and (b.kind is Kind.TRANSPOSED or is_weighted):
            return _product(a, b)  # side by side, matrices are multiplied
        first, second, kind, size = align(a, b)
        return Value(ast.BinOp(first, op, second), kind, size)

    def _transposed(self, node: ast.expr) -> Value:
        value = to_heads(self.value(node))
        if value.kind is not Kind.HEADS:
            raise SketchError(f".mT takes {Kind.HEADS.value}, {ast.unparse(node)} is {value.shape}")
        return Value(ast.Attribute(value.node, "mT"), Kind.TRANSPOSED, value.size)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Value:
        name, arguments = call.name, call.arguments
        if name not in FUNCTIONS and name not in self._draft.values and arguments and _MAP.fullmatch(name):
            return self._map(name, arguments)
        if name in ("block", "f") and self._draft.card.slot is Slot.MODULATOR:
            value = to_sequence(self.value(arguments[0])) if arguments else self._name("x")
            return Value(expression(f"self.block({ast.unparse(value.node)})"), Kind.SEQUENCE, Size("d_model"))
        if name not in FUNCTIONS and len(arguments) == 1 and self._known_name(name) in self._draft.values:
            return self._operation(self._name(name), ast.Mult(), self.value(arguments[0]))
        if name == "block":
            raise SketchError(f"only a modulator has a block; this is a {self._draft.card.slot}")
        if name in FUNCTIONS:
            return self._function(call)
        if not arguments:
            raise call.unknown()
        if name == "power" and len(arguments) == 2:
            return self._operation(self.value(arguments[0]), ast.Pow(), self.value(arguments[1]))
        if name in ("clamp", "clip"):
            return self._clamp(call)
        if name == "int":
            value = self.value(arguments[0])
            return value.written(ast.Call(ast.Name("int"), [value.node], []))
        if name in _WITHOUT_EFFECT:
            return self.value(arguments[0])
        if name == "transpose":
            return self._transposed(arguments[0])
        raise call.unknown()

    def _map(self, name: str, arguments: list[ast.expr]) -> Value:
        """Return a learned map that the card has a name for: the same name is the same map."""
        if name not in self._maps:
            z = to_sequence(self.value(arguments[0]))
            sizes = [self.value(item) for item in arguments[1:2]] or self._map_sizes(name)
            held, self._draft.hint = self._draft.hint, name
            made = FUNCTIONS["linear"].make(self._draft, [z, *sizes], {})
            self._draft.hint = held
            self._maps[name] = (made, z.size)
            return made
        made, before = self._maps[name]
        z = to_sequence(self.value(arguments[0]))
        if z.size is None or before is None or not same_size(z.size, before):
            raise SketchError(f"{name} is applied to sequences of different sizes")
        assert isinstance(made.node, ast.Call)
        return made.written(ast.Call(made.node.func, [z.node], []))

    def _map_sizes(self, name: str) -> list[Value]:
        """Return the size that the card says a map has; w_a makes a number per head where the class has heads."""
        if name in self._facts.map_sizes:
            return [Value(expression(self._facts.map_sizes[name]), Kind.NUMBER)]
        if name.startswith(("w_", "u_")) and "heads" in self._draft.hyperparameters:
            return [Value(ast.Name("heads"), Kind.NUMBER)]
        return []

    def _function(self, call: Call) -> Value:
        given, options = call.matched()
        if call.name == "causal_conv" and "taps" not in given:
            named = [item for item in ("kernel", "taps", "width", "window") if item in self._draft.hyperparameters]
            given["taps"] = ast.Name(named[0]) if named else ast.Constant(self._facts.taps or 4)
        hint, values = self._draft.hint, []
        for position, item in enumerate(call.in_order(given)):
            # a linear map inside another expression is named after its place
            self._draft.hint = hint if position == 0 and call.passes_its_name_on(item) else None
            values.append(self.value(item))
        self._draft.hint = hint
        return FUNCTIONS[call.name].make(self._draft, values, options)

    def _clamp(self, call: Call) -> Value:
        value = self.value(call.arguments[0])
        bounds = dict(zip(("min", "max"), call.arguments[1:], strict=False))
        bounds |= {item.arg: item.value for item in call.keywords if item.arg in ("min", "max")}
        keywords = [ast.keyword(key, self.value(item).node) for key, item in bounds.items()]
        return value.written(ast.Call(ast.Attribute(value.node, "clamp"), [], keywords))


def _product(a: Value, b: Value) -> Value:
    if a.kind is Kind.SCORES:
        v = to_heads(b)
        if v.kind is Kind.HEADS:
            return Value(ast.BinOp(a.node, ast.MatMult(), v.node), Kind.HEADS, v.size)
    q = to_heads(a) if a.kind is Kind.SEQUENCE else a
    if q.kind is Kind.HEADS and b.kind is Kind.TRANSPOSED:
        return Value(ast.BinOp(q.node, ast.MatMult(), b.node), Kind.SCORES)
    raise SketchError("@ takes scores @ v or q @ k.mT; a learned map is linear(z)")
