"""The meaning of an expression: what a sketch writes for it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations import sums
from neuramosaic.codegen.sketch.equations.context import Context, Known
from neuramosaic.codegen.sketch.equations.functions import applied_function
from neuramosaic.codegen.sketch.equations.maps import Maps
from neuramosaic.codegen.sketch.equations.names import SQUARE
from neuramosaic.codegen.sketch.equations.products import divided, dot, multiplied, outer, plain
from neuramosaic.codegen.sketch.equations.symbols import HEAD_SIZES, MODEL_SIZES
from neuramosaic.codegen.sketch.equations.syntax import (
    At,
    Call,
    Cases,
    Compared,
    Joined,
    Length,
    Minus,
    Node,
    Number,
    Operation,
    Over,
    Symbol,
    Transpose,
    walk,
)
from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, number, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError


class Meaning(Maps):
    """Finds out what expressions mean."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        self._depth = 0

    def term(self, node: Node, context: Context) -> Term:
        """Return what an expression means.

        Raises:
            NotReadError: If that cannot be said without guessing.
        """
        self._depth += 1
        if self._depth > 120:
            raise NotReadError("definitions that go in a circle")
        try:
            return self._term(node, context)
        finally:
            self._depth -= 1

    def _term(self, node: Node, context: Context) -> Term:
        match node:
            case Number(text=text):
                return number(text)
            case Symbol():
                return self._symbol(node, context)
            case Minus(inner=inner):
                value = self.term(inner, context)
                if value.kind not in ("number", "per_head", "vector", "sequence", "pair"):
                    raise NotReadError("a minus before a matrix")
                return value.written(ast.UnaryOp(ast.USub(), value.node))
            case Transpose(inner=inner):
                value = self.term(inner, context)
                return replace(value, transposed=not value.transposed) if value.kind != "pair" else value
            case Operation():
                return self._operation(node, context)
            case Call(name=name):
                if self.known.function(name) is not None or self.known.defined(name):
                    raise NotReadError(f"{name}, a function and a name")
                return applied_function(self, node, context)
            case Length():
                return self._length(node, context)
            case Joined(items=items):
                terms = [self.term(item, context) for item in items]
                made = terms[0]
                for item in terms[1:]:
                    if item.kind != "sequence" or made.kind != "sequence":
                        raise NotReadError("what is side by side is no sequence")
                    made = Term(called("concat", made, item), "sequence", made.place)
                return made
            case At(inner=inner, indices=indices):
                return self._at(inner, indices, context)
            case Cases():
                return self._cases(node, context)
            case Over():
                return self._over(node, context)
        raise NotReadError("a comparison where a value has to stand")

    # -- operations ----------------------------------------------------------------------------------------------------

    def _operation(self, node: Operation, context: Context) -> Term:
        sign = node.sign
        if sign == "side":
            return self._side(node, context)
        if sign == "^":
            return self._power(node, context)
        if sign == "+" and node.right == Number("1") and self._counts_from_nought(node.left, context):
            return Term(python("positions()"), "sequence", "q", role="positions")
        if sign == "-" and self._is_distance(node, context):
            return sums.distance()
        if sign == "/":
            made = sums.ratio(self, node, context)
            if made is not None:
                return made
        if sign == "." and isinstance(node.right, Operation) and node.right.sign == "side":
            right = self._factors(node.right, context)
            if sum(term.kind == "sequence" for term in right) > 1:
                raise NotReadError("a dot before several vectors: write brackets")
        own = (
            sign == "/" and isinstance(node.right, Length) and any(item == node.right.inner for item in walk(node.left))
        )
        left = self.term(node.left, context)
        right_term = self.term(node.right, replace(context, length=own))
        if sign == "/":
            if (share := self._share(left, right_term)) is not None:
                return share
            return divided(left, right_term)
        if sign in ("+", "-"):
            return self._added(sign, left, right_term)
        if sign == ".":
            return dot(plain(left), plain(right_term))
        if sign == "outer":
            return outer(plain(left), replace(right_term, transposed=True))
        if sign in ("odot", "*") and "map" in (left.kind, right_term.kind):
            matrix = left if left.kind == "map" else right_term
            if sign == "odot" or not ast.unparse(matrix.node).startswith(("W", "U", "V")) or "W_" in _made_up(matrix):
                raise NotReadError("a product element by element with what looks like a matrix")
        if left.kind == "map" or (right_term.kind == "map" and left.kind == "sequence"):
            return self._chained([left, right_term], context)
        both = left.kind in ("sequence", "vector") and right_term.kind in ("sequence", "vector")
        if sign == "cdot" and both and {left.place, right_term.place} == {"q", "k"}:
            if "numbers" not in (left.role, right_term.role):
                return dot(plain(left), plain(right_term))
        if sign == "@" and left.kind == "sequence" and right_term.kind == "sequence" and not left.transposed:
            if not right_term.transposed:
                raise NotReadError("@ between two sequences")
        return multiplied([left, right_term])

    def _share(self, a: Term, total: Term) -> Term | None:
        """Return a / (a + b) of two gates, which may both be nought, as what has a value there too; None for others."""
        if a.kind != "sequence" or not isinstance(total.node, ast.BinOp) or not isinstance(total.node.op, ast.Add):
            return None
        sides = [ast.unparse(side) for side in (total.node.left, total.node.right)]
        own = ast.unparse(a.node)
        if own not in sides or not all(self.known.is_gate(side) for side in sides):
            return None
        other = sides[1] if sides[0] == own else sides[0]
        return a.written(called("share", a, python(other)))

    def _added(self, sign: str, left: Term, right: Term) -> Term:
        for one, other in ((left, right), (right, left)):
            if one.role == "mask" and other.kind == "pair":
                return other
            if one.role == "numbers" and other.kind == "vector" and ast.unparse(one.node).startswith("dot("):
                raise NotReadError(f"{ast.unparse(other.node)}, added to one number, which may be one number itself")
        if sign == "+" and left.kind == right.kind == "scaled":
            raise NotReadError("a sum of products of two positions: write it as two sums")
        return combined(sign, left, right)

    def _is_distance(self, node: Operation, context: Context) -> bool:
        return (
            bool(context.key)
            and node.left == Symbol(context.query)
            and node.right == Symbol(context.key)
            and not self.known.defined(context.query)
        )

    def _power(self, node: Operation, context: Context) -> Term:
        if node.left == Symbol("e") and not self.known.defined("e"):
            return applied_function(self, Call("exp", (), (node.right,)), context)
        if isinstance(node.left, Length) and node.left.bars == 1 and not context.channels:
            raise NotReadError("a power of |z|, which is a length or is not")
        if isinstance(node.left, Symbol) and node.right == Number("2"):
            square = Symbol(node.left.name + SQUARE, node.left.indices)
            if self.known.defined(self._key(square, context)):
                return self._symbol(square, context)
        base = self.term(node.left, context)
        if isinstance(node.left, Operation) and node.left.sign == "side" and base.kind == "map":
            raise NotReadError("a power of a map")
        if node.right == Minus(Number("1")) and base.kind in ("map", "outer", "state"):
            raise NotReadError("an inverse")
        return combined("^", base, self.term(node.right, context))

    def _side(self, node: Operation, context: Context) -> Term:
        return self._chained(self._factors(node, context), context)

    def _factors(self, node: Node, context: Context) -> list[Term]:
        """Return the factors that stand side by side; functions are applied to what stands behind them."""
        items: list[Node] = []
        while isinstance(node, Operation) and node.sign == "side":
            items.insert(0, node.right)
            node = node.left
        items.insert(0, node)
        terms: list[Term] = []
        depth = 0
        while items:
            item = items.pop(0)
            rows = isinstance(item, Transpose)
            name = item.inner if isinstance(item, Transpose) else item
            if isinstance(name, Symbol) and items and self._is_function(name, context):
                argument = items.pop(0)
                power: Node | None = None
                if isinstance(argument, Operation) and argument.sign == "^":  # phi(z)^2 is a power of phi(z)
                    power = argument.right
                    argument = argument.left
                made = self._applied(name, argument, replace(context, depth=context.depth + depth))
                if power is not None:
                    made = combined("^", made, self.term(power, context))
                terms.append(replace(made, transposed=not made.transposed) if rows else made)
                continue
            term = self.term(item, replace(context, depth=context.depth + depth))
            depth += term.kind == "map"
            terms.append(term)
        return terms

    # -- names ---------------------------------------------------------------------------------------------------------

    def _is_function(self, symbol: Symbol, context: Context) -> bool:
        if symbol.name in context.bound:
            return False
        if self.known.function(symbol.name) is not None:
            return True
        if self.known.is_modulator and symbol.name in ("f", "F", "block", "Block"):
            return not self.known.defined(symbol.name)
        return symbol.name == "sigma" and not symbol.indices and not self.known.defined("sigma")

    def _applied(self, symbol: Symbol, argument: Node, context: Context) -> Term:
        function = self.known.function(symbol.name)
        if function is not None:
            parameters, body = function
            items = argument.items if isinstance(argument, Joined) else (argument,)
            if len(items) != len(parameters):
                raise NotReadError(f"{symbol.name} of {len(items)} arguments")
            values = [self.term(item, context) for item in items]
            flat = [plain(value) for value in values]
            bound = {**context.bound, **dict(zip(parameters, flat, strict=True))}
            made = self.term(body, replace(context, bound=bound))
            return replace(made, transposed=values[0].transposed)
        if symbol.name == "sigma":
            return applied_function(self, Call("sigmoid", (), (argument,)), context)
        value = plain(self.term(argument, context))
        if value.kind != "sequence" or value.role == "numbers":
            raise NotReadError("a block of what is no sequence of vectors")
        return Term(called("block", value), "sequence", value.place)

    # -- the rest ------------------------------------------------------------------------------------------------------

    def _length(self, node: Length, context: Context) -> Term:
        value = self.term(node.inner, context)
        if context.channels and node.bars == 1:
            return value.written(called("abs", value))
        if value.role == "numbers" and node.bars == 1:
            return value.written(called("abs", value))
        if value.kind not in ("sequence", "vector"):
            if value.kind in ("number", "pair", "per_head") and node.bars == 1:
                return value.written(called("abs", value))
            raise NotReadError("the length of a matrix")
        role = "numbers" if value.kind == "sequence" else ""
        kind = value.kind if role else "number"
        if node.bars == 1 and not context.length and not re.search(r"\b(?:length|norm)\b", context.remark):
            raise NotReadError("|z| of a vector, which is its length or that of each element: write ||z|| or abs(z)")
        if node.order in (None, Number("2")):
            return Term(called("norm", value), kind, value.place, heads=value.heads, role=role)
        if node.order == Number("1"):
            made = called("sum", called("abs", value))
        elif isinstance(node.order, Symbol) and node.order.name in ("infinity", "inf"):
            made = called("amax", called("abs", value))
        else:
            order = self.term(node.order, context)
            if order.kind != "number":
                raise NotReadError("a length of a learned order")
            power = called("sum", ast.BinOp(called("abs", value), ast.Pow(), order.node))
            made = ast.BinOp(power, ast.Pow(), ast.BinOp(ast.Constant(1), ast.Div(), order.node))
        return Term(made, kind, value.place, heads=value.heads, role=role)

    def _cases(self, node: Cases, context: Context) -> Term:
        value = self.term(node.otherwise, context) if not _is_nothing(node.otherwise) else None
        for branch, condition in reversed(node.branches):
            if not isinstance(condition, Compared):
                raise NotReadError("a case without a comparison")
            if context.key and (seen := self._is_seen(condition, context)) is not None:
                other, this = (node.otherwise, branch) if seen else (branch, node.otherwise)
                if not _is_nothing(other) or len(node.branches) > 1:
                    raise NotReadError("weights of later positions")
                made = self.term(this, context)
                return made if made.kind == "pair" or other == Number("0") else replace(made, role="mask")
            if value is None:
                raise NotReadError("a case that is infinite")
            a, b = self.term(condition.left, context), self.term(condition.right, context)
            compared = combined("-", a, b)
            mark = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}.get(condition.sign)
            if mark is None:
                raise NotReadError("a case for one value alone")
            chosen = self.term(branch, context)
            both = combined("+", combined("+", chosen, value), compared)
            test = ast.Compare(a.node, [mark()], [b.node])
            value = both.written(called("where", test, chosen, value))
        assert value is not None
        return value

    def _is_seen(self, condition: Compared, context: Context) -> bool | None:
        """Whether a condition says that a position has been seen (True), or has not (False); None if neither."""
        query, key = Symbol(context.query), Symbol(context.key)
        orders: dict[tuple[Node, Node], int] = {(key, query): 1, (query, key): -1}
        sides = orders.get((condition.left, condition.right))
        if sides is None:
            return None
        if condition.sign in ("<=", ">="):
            return (condition.sign == "<=") == (sides == 1)
        if condition.sign in ("<", ">") and (condition.sign == ">") == (sides == 1):
            return False  # later positions
        return None

    def _is_over_channels(self, node: Over) -> bool:
        """Whether a sum goes over all channels: `sum_{i=1}^{D}`."""
        if node.low != Number("1") or node.high_open or not isinstance(node.high, Symbol):
            return False
        size = node.high.name
        if size in self.known.hyperparameters or self.known.defined(size):
            return False
        return size in (*MODEL_SIZES, *HEAD_SIZES)

    def _over(self, node: Over, context: Context) -> Term:
        if (made := sums.between(self, node, context)) is not None:
            return made
        if node.index in ("d", "c") and node.low is None and node.high is None:  # mean_d, sum_c: over channels
            name = {"sum": "sum", "mean": "mean", "max": "amax"}.get(node.kind)
            value = self.term(node.body, replace(context, channels=True))
            if name is None or value.kind != "sequence":
                raise NotReadError("a product over channels")
            return Term(called(name, value), "sequence", value.place, heads=value.heads, role="numbers")
        if node.kind in ("sum", "mean", "max") and self._is_over_channels(node):
            value = self.term(node.body, replace(context, channels=True, channel=node.index))
            if value.kind != "sequence" or value.role == "numbers":
                raise NotReadError("a sum over channels of what has none")
            name = {"sum": "sum", "mean": "mean", "max": "amax"}[node.kind]
            return Term(called(name, value), "sequence", value.place, heads=value.heads, role="numbers")
        if node.kind == "sum" and sums.is_over_positions(node, context):
            return sums.over_positions(self, node, context)
        if node.kind == "sum" and (made := sums.over_taps(self, node, context)) is not None:
            return made
        if sums.is_over_positions(node, context) or node.kind == "prod":
            raise NotReadError(f"a {node.kind} over positions")
        return sums.over_few(self, node, context)


def _is_nothing(node: Node) -> bool:
    """Whether a value is 0 or minus infinity, which later positions have."""
    inner = node.inner if isinstance(node, Minus) else None
    return node == Number("0") or (isinstance(inner, Symbol) and inner.name in ("infinity", "inf"))


def _made_up(matrix: Term) -> str:
    """Return the name of a map if this reader gave it the W that it begins with."""
    name = ast.unparse(matrix.node)
    return name if re.match(r"W_[A-Z]", name) else ""
