"""What the symbols of equations mean: defined, the input, known in every card, or learned."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations.context import Context, Known
from neuramosaic.codegen.sketch.equations.syntax import Node, Number, Operation, Symbol, walk
from neuramosaic.codegen.sketch.equations.terms import Term, called, number, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

HEAD_SIZES = ("d", "hd", "head_dim")
"""Names for the channels of a head."""
MODEL_SIZES = ("D", "d_model", "dmodel", "d_m")
"""Names for the channels of the input."""
_SCALES = ("g", "gamma", "scale", "w", "s")
_ALONG = (Symbol("h"), Symbol("d"), Symbol("c"))
_HEAD_SIZE_LABELS = ("k", "h", "v", "head", "q", "qk")
#: A sum from position 0 to a position.
_FROM_NOUGHT = r"(?:sum|mean|prod)\s*_\s*[{{(]\s*\w+\s*=\s*0\s*[}})]\s*\^\s*[{{(]?\s*{}\b"


class Symbols:
    """Finds out what symbols mean, and at which positions.

    Args:
        known: What the reading of the whole card knows.
    """

    def __init__(self, known: Known) -> None:
        self.known = known

    def term(self, node: Node, context: Context) -> Term:
        """Return what an expression means.

        Raises:
            NotReadError: If that cannot be said without guessing.
        """
        raise NotImplementedError

    def is_defined(self, symbol: Symbol, context: Context) -> bool:
        """Whether a symbol is defined by an equation, or the input."""
        return self._key(symbol, context) in ("x", "X") or self.known.defined(self._key(symbol, context))

    def map_name(self, symbol: Node, label: str = "") -> str:
        """Return the name of the map that a symbol stands for, with the number of its term in a sum."""
        assert isinstance(symbol, Symbol)
        bare = Symbol(symbol.name, tuple(item for item in symbol.indices if _is_label(item)))
        return _map_name("_".join(item for item in (self._key(bare, Context()), label) if item))

    def once(self, what: str) -> None:
        """Say that something learned is used; twice would be two where the card has one."""
        self.known.once(what)

    def _key(self, symbol: Symbol, context: Context) -> str:
        labels = [_label(item) for item in symbol.indices if not self._position(symbol, item, context)]
        return "_".join([symbol.name, *(label for label in labels if label)])

    def _position(self, symbol: Symbol, item: Node, context: Context) -> bool:
        """Whether an index is one of positions, heads or channels, and no part of the name."""
        if item in (Symbol("h"), Symbol("d"), Symbol("c")):
            own = symbol.name in ("x", "X") or self.known.defined(symbol.name)
            return own or (item == Symbol("h") and self.known.has_heads)
        if context.channel and item == Symbol(context.channel):
            return True
        variables = {context.query, context.key, context.step} - {""}
        if isinstance(item, Symbol) and item.name in variables:
            has_own = self.known.defined(symbol.name) or symbol.name in ("x", "X") or item.name in ("t", "s")
            return has_own or item.name == context.step or (item.name == context.key and bool(context.key))
        if isinstance(item, Operation) and item.sign in "+-":
            names = {part.name for part in (item.left, item.right) if isinstance(part, Symbol)}
            inner = item.left if isinstance(item.left, Operation) else None
            return bool(names & variables) or (inner is not None and self._position(symbol, inner, context))
        return False

    def _symbol(self, symbol: Symbol, context: Context) -> Term:
        name = symbol.name
        if name in context.bound and not [item for item in symbol.indices if not self._position(symbol, item, context)]:
            return context.bound[name]
        key = self._key(symbol, context)
        if self.known.defined(key):
            return self._placed(self.known.value(key), symbol, context)
        if key in ("x", "X"):
            return self._placed(Term(ast.Name("x"), "sequence"), symbol, context)
        if key in self.known.hyperparameters:
            return Term(ast.Name(key), "number")
        if (meant := self._meant(symbol, key, context)) is not None:
            return meant
        return self._learned(symbol, key, context)

    def _placed(self, value: Term, symbol: Symbol, context: Context) -> Term:
        """Return a sequence at the position that its index says."""
        if value.kind not in ("sequence", "state"):
            return value
        place, delay = ("q" if context.indexed else "*"), None
        if not context.query:
            place = ""
        for item in symbol.indices:
            if item == Symbol(context.key) and context.key:
                place = "k"
            elif item == Symbol(context.query):
                place = "q"
            elif isinstance(item, Operation) and self._position(symbol, item, context):
                place, delay = "q", item
            elif item == Symbol(context.step) and context.step:
                raise NotReadError(f"{symbol.name} at the step of a convolution")
        if value.kind == "state":
            if delay is not None:
                raise NotReadError("a state that is read before it is written")
            return value
        if delay is None:
            return replace(value, place=place)
        return replace(value, place="q", node=self._delayed(value.node, delay, context))

    def _delayed(self, node: ast.expr, delay: Operation, context: Context) -> ast.expr:
        if context.step and context.step in _names(delay):
            return node  # the convolution says how far back
        if delay.sign != "-" or delay.left != Symbol(context.query):
            raise NotReadError("a position that has not been seen yet")
        steps = self.term(delay.right, context)
        if steps.kind != "number":
            raise NotReadError("a position that values decide")
        arguments = [] if isinstance(steps.node, ast.Constant) and steps.node.value == 1 else [steps.node]
        return called("shift", node, *arguments)

    def _at(self, inner: Node, indices: tuple[Node, ...], context: Context) -> Term:
        value = self.term(inner, context)
        symbol = Symbol("x", indices)
        if any(not self._position(symbol, item, context) for item in indices):
            raise NotReadError("an element of a vector")
        if value.kind != "sequence":
            return value
        return replace(self._placed(replace(value, place=""), symbol, context), transposed=value.transposed)

    def _counts_from_nought(self, node: Node, context: Context) -> bool:
        """Whether a part is the position, and the first of them is 0: the sums of the card begin there."""
        if not isinstance(node, Symbol) or node != Symbol(context.query) or self.known.defined(node.name):
            return False
        return self.known.says(_FROM_NOUGHT.format(node.name))

    def _meant(self, symbol: Symbol, key: str, context: Context) -> Term | None:
        """Return what a name means in every card, if this one does not say otherwise."""
        name = symbol.name
        if key in self.known.declared.kinds:
            return None
        if key in ("eps", "epsilon", "varepsilon"):
            return number("1e-06")
        if key == "pi":
            return Term(python("math.pi"), "number")
        if key in MODEL_SIZES:
            return Term(ast.Name("d_model"), "number")
        if key in HEAD_SIZES or (name == "d" and {_label(i) for i in symbol.indices} <= {*_HEAD_SIZE_LABELS, ""}):
            return Term(ast.Name("head_dim"), "number")
        if key in ("heads", "H") and (self.known.has_heads or key == "heads"):
            return Term(ast.Name("heads"), "number")
        if symbol == Symbol(context.query) and name in ("t", "i", "n"):
            if self._counts_from_nought(symbol, context):
                raise NotReadError(f"{name}, where sums begin at position 0, but for {name} + 1")
            return Term(python("positions()"), "sequence", "q", role="positions")
        if key == "h" and self.known.has_heads and not symbol.indices:
            from_one = self.known.says(r"\bh\s*=\s*1\s*(?:,|\.\.|\bto\b)|\bh\s+in\s*[({]\s*1\b|\b1\s*<=\s*h\b")
            return Term(python("head_index() + 1" if from_one else "head_index()"), "per_head")
        if symbol == Symbol("M") and not context.indexed:
            return Term(ast.Constant(0.0), "number", role="mask")
        if key in ("I", "T", "S", "infinity", "inf", "t", "s", "i", "j", "n", "N", "h"):
            raise NotReadError(f"{key}, which is no value by itself")
        return None

    def _learned(self, symbol: Symbol, key: str, context: Context) -> Term:
        """Return a learned symbol that the card has a name for."""
        known = self.known
        per_head = Symbol("h") in symbol.indices and known.has_heads
        if known.function(symbol.name) is not None or symbol.name in ("f", "F", "phi", "psi", "sigma", "varphi"):
            raise NotReadError(f"{symbol.name}, a function that is not said")
        if any(item not in _ALONG and self._position(symbol, item, context) for item in symbol.indices):
            raise NotReadError(f"{key} at a position, which no equation defines")
        kind = known.declared.kinds.get(key) or known.declared.kinds.get(symbol.name, "")
        if len(known.declared.sizes.get(key, ())) > 1:
            kind = "matrix"
        looks_like_map = symbol.name[:1].isupper() or re.fullmatch(r"[wu]_(?!\d+$)\w+", key) is not None
        if kind == "unknown":
            raise NotReadError(f"{key}, of a size that nothing says")
        if kind == "matrix" or (kind in ("", "learned", "space") and looks_like_map):
            if context.step and Symbol(context.step) in symbol.indices:
                raise NotReadError("a map for each tap")
            return Term(
                ast.Name(_map_name(key) + ("_per_head" if per_head and symbol.name[:1].isupper() else "")), "map"
            )
        if kind == "space":
            kind = "number" if known.declared.sizes.get(key) == ("1",) else "vector"
        if kind in ("", "learned"):
            kind = "per_head" if per_head else "vector"
            if context.key and known.has_heads and kind == "vector":
                raise NotReadError(f"{key}, of which nothing says whether it is one number or several")
        return known.parameter(key, kind, "1.0" if symbol.name in _SCALES else "0.0")


def _label(item: Node) -> str:
    if isinstance(item, Symbol):
        return "_".join([item.name, *(_label(part) for part in item.indices)])
    if isinstance(item, Number):
        return item.text.replace(".", "_")
    raise NotReadError("an index that is no name")


def _is_label(item: Node) -> bool:
    return isinstance(item, (Symbol, Number)) and (isinstance(item, Number) or len(item.name) > 1)


def _map_name(key: str) -> str:
    """Return a name that a sketch takes for a map."""
    clean = re.sub(r"\W", "_", key)
    return clean if re.fullmatch(r"[WUV](?:_\w+)?|[wu]_\w+", clean) else f"W_{clean}"


def _names(node: Node) -> set[str]:
    return {item.name for item in walk(node) if isinstance(item, Symbol)}
