"""The meaning of an expression: what a sketch writes for it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations import sums
from neuramosaic.codegen.sketch.equations.context import Context, Known
from neuramosaic.codegen.sketch.equations.functions import applied_function
from neuramosaic.codegen.sketch.equations.products import divided, dot, multiplied, outer, plain
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
    Statement,
    Symbol,
    Transpose,
    walk,
)
from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, number, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

_SCALES = ("g", "gamma", "scale", "w", "s")
_ALONG = (Symbol("h"), Symbol("d"), Symbol("c"))
_HEAD_SIZES = ("d", "hd", "head_dim")
_MODEL_SIZES = ("D", "d_model", "dmodel", "d_m")
_HEAD_SIZE_LABELS = ("k", "h", "v", "head", "q", "qk")


class Meaning:
    """Finds out what expressions mean."""

    def __init__(self, known: Known) -> None:
        self.known = known
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
                made = self._applied(name, argument, replace(context, depth=context.depth + depth))
                terms.append(replace(made, transposed=not made.transposed) if rows else made)
                continue
            term = self.term(item, replace(context, depth=context.depth + depth))
            depth += term.kind == "map"
            terms.append(term)
        return terms

    def _chained(self, terms: list[Term], context: Context) -> Term:
        """Apply the maps among factors to what stands behind them, or before, and multiply the rest."""
        last = len(terms)
        while last and terms[last - 1].kind == "map":
            last -= 1
        if 0 < last < len(terms):  # x W: rows before maps
            value = self._chained(terms[:last], context)
            for matrix in terms[last:]:
                value = self._mapped(matrix, value, context, from_right=True)
            return value
        left: list[Term] = []
        pending: list[Term] = []
        for term in reversed(terms):  # maps are applied to the vector that stands right behind them
            if term.kind == "map":
                if (left and _is_scalar(left[0])) or (left and left[0].kind in ("state", "pair", "weighted")):
                    left = [multiplied(left)]
                if left and left[0].kind == "sequence" and not left[0].transposed:
                    left[0] = self._mapped(term, left[0], context)
                else:
                    pending.insert(0, term)
                continue
            if pending:
                raise NotReadError("a map that is applied to no vector")
            left.insert(0, term)
        if pending and left:
            raise NotReadError("a map that is applied to no vector")
        if not left:
            names = tuple(part for term in pending for part in (term.parts or (term,)))
            return Term(pending[0].node, "map", parts=names)
        if context.state and _is_matrix_name(context.statement):
            rows = [place for place, term in enumerate(left) if term.kind == "sequence" and term.role != "numbers"]
            if len(rows) == 2 and rows[1] == rows[0] + 1 and left[rows[0]].transposed and not left[rows[1]].transposed:
                first, second = rows  # k^T v of vectors that are rows
                left[first : second + 1] = [outer(plain(left[first]), replace(left[second], transposed=True))]
        return multiplied(left)

    def _mapped(self, matrix: Term, value: Term, context: Context, from_right: bool = False) -> Term:
        parts = matrix.parts or (matrix,)
        for one in parts if from_right else reversed(parts):
            if value.kind != "sequence":
                raise NotReadError("a map of what is no sequence")
            value = self.applied(ast.unparse(one.node), value, context, from_right=from_right != one.transposed)
        return value

    def applied(self, name: str, value: Term, context: Context, *, from_right: bool = False) -> Term:
        """Return a learned map, by its name, of a sequence; `from_right` for `x W`."""
        is_outer = re.search(r"\b(?:[WUV](?:_\w+)?|[wu]_\w+|linear)\(", ast.unparse(value.node)) is not None
        size = self.known.map_size(name, context, from_right, is_outer)
        if name.endswith("_per_head") and value.heads:
            self.known.once(f"the map {name}")
            if size is None:
                size = "head_dim"
            node = called("linear_per_head", value, python(size.replace("inner", "head_dim")))
            return Term(node, "sequence", value.place, heads=True, transposed=value.transposed)
        node = called(name, plain(value), *([python(size)] if size else []))
        numbers = size in ("heads", "1")
        is_output = context.depth == 0 and _is_output(context.statement)
        of_head = name.endswith("_per_head") or (context.per_head and not is_output and not context.whole)
        if of_head and self.known.has_heads and not numbers:
            node = called("split_heads", node)
        of_head = of_head and not numbers
        return Term(node, "sequence", value.place, heads=of_head, role="numbers" if numbers else "",
                    transposed=value.transposed)  # fmt: skip

    # -- names ---------------------------------------------------------------------------------------------------------

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
        if value.kind != "sequence":
            raise NotReadError("a block of what is no sequence")
        return Term(called("block", value), "sequence", value.place)

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

    def _meant(self, symbol: Symbol, key: str, context: Context) -> Term | None:
        """Return what a name means in every card, if this one does not say otherwise."""
        name = symbol.name
        if key in self.known.declared.kinds:
            return None
        if key in ("eps", "epsilon", "varepsilon"):
            return number("1e-06")
        if key == "pi":
            return Term(python("math.pi"), "number")
        if key in _MODEL_SIZES:
            return Term(ast.Name("d_model"), "number")
        if key in _HEAD_SIZES or (name == "d" and {_label(i) for i in symbol.indices} <= {*_HEAD_SIZE_LABELS, ""}):
            return Term(ast.Name("head_dim"), "number")
        if key in ("heads", "H") and (self.known.has_heads or key == "heads"):
            return Term(ast.Name("heads"), "number")
        if symbol == Symbol(context.query) and name in ("t", "i", "n"):
            return Term(python("positions()"), "sequence", "q", role="positions")
        if key == "h" and self.known.has_heads and not symbol.indices:
            return Term(python("head_index()"), "per_head")
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
        return size in (*_MODEL_SIZES, *_HEAD_SIZES)

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


def _is_nothing(node: Node) -> bool:
    """Whether a value is 0 or minus infinity, which later positions have."""
    inner = node.inner if isinstance(node, Minus) else None
    return node == Number("0") or (isinstance(inner, Symbol) and inner.name in ("infinity", "inf"))


def _made_up(matrix: Term) -> str:
    """Return the name of a map if this reader gave it the W that it begins with."""
    name = ast.unparse(matrix.node)
    return name if re.match(r"W_[A-Z]", name) else ""


def _is_scalar(term: Term) -> bool:
    return term.kind in ("number", "per_head") or term.role in ("numbers", "positions")


def _is_matrix_name(statement: Statement | None) -> bool:
    """Whether a definition's name is that of a matrix, a capital."""
    return statement is not None and isinstance(statement.left[0], Symbol) and statement.left[0].name[:1].isupper()


def _is_output(statement: Statement | None) -> bool:
    return statement is not None and any(
        isinstance(item, Symbol) and item.name in ("y", "Y") for item in statement.left
    )
