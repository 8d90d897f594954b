"""A grammar of equations: from signs to what they are parts of."""

from __future__ import annotations

import re
from collections.abc import Collection

from neuramosaic.codegen.sketch.equations.cursor import Cursor
from neuramosaic.codegen.sketch.equations.names import function
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
)
from neuramosaic.codegen.sketch.equations.tokens import GREEK, NotReadError, Token

_DEEPEST = 40
_COMPARISONS = ("<", "<=", ">", ">=", "==")
_PAIR = re.compile(r"[tsijlmnu]{2}")
_OVER = {"sum": "sum", "prod": "prod", "max": "max", "mean": "mean", "avg": "mean", "Sum": "sum"}


class Parser(Cursor):
    """Parses the expressions of one equation; what parses them may ask where it stands."""

    def __init__(self, text: str, names: Collection[str], latex: bool = False) -> None:
        super().__init__(text, names, latex)
        self._depth = 0
        self._bars: list[str] = []

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expression(self) -> Node:
        """Parse a sum of products.

        Raises:
            NotReadError: If none stands here.
        """
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotReadError("it is nested too deeply")
        value = self._product()
        while self.peek() in ("+", "-"):
            sign = self.take().text
            value = Operation(sign, value, self._product())
        self._depth -= 1
        return value

    def comparison(self) -> Node:
        """Parse an expression, or a comparison of several."""
        value: Node = self.expression()
        while self.peek() in _COMPARISONS:
            sign = self.take().text
            right = self.expression()
            value = Compared(sign, value, right)
        return value

    def _product(self) -> Node:
        if self.accept("-"):
            return Minus(self._product())
        if self.accept("+"):
            return self._product()
        value = self._side()
        while True:
            sign = self.peek()
            if sign in ("*", "@", ".*"):
                self.take()
                value = Operation({".*": "odot"}.get(sign, sign), value, self._signed_side())
            elif sign == "/":
                self.take()
                value = Operation("/", value, self._divisor())
                if self._begins_factor():
                    value = Operation("side", value, self._side())
            elif sign == "\\cdot":
                self.take()
                value = Operation("cdot", value, self._signed_side())
            elif sign == "\\otimes":
                self.take()
                value = Operation("outer", value, self._side())
            elif sign == "." and self._begins_factor(1) and not self.is_prose(1):
                self.take()
                value = Operation(".", value, self._side())
            else:
                return value

    def _signed_side(self) -> Node:
        if self.accept("-"):
            return Minus(self._side())
        return self._side()

    def _divisor(self) -> Node:
        """Parse what stands below a slash: a factor, or a map or function with what it is applied to."""
        if re.match(r"[A-Z]", self.peek()) and function(self.peek()) is None and not self.is_prose():
            return self._side()
        return self._factor()

    def _side(self) -> Node:
        """Parse factors that stand side by side."""
        value = self._factor()
        while self._begins_factor():
            value = Operation("side", value, self._factor())
        return value

    def _begins_factor(self, ahead: int = 0) -> bool:
        sign = self.peek(ahead)
        if not sign or self.is_prose(ahead) or (sign == "in" and not ahead):
            return False
        if sign == "||" and len(self.tokens) > self.at + ahead:
            return "||" not in self._bars
        if sign == "|":
            return "|" not in self._bars
        return sign[0].isalnum() or sign in ("(", "[", "{", "\\frac", "\\sqrt", "\\langle", "\\begin")

    def _factor(self) -> Node:
        value = self._atom()
        while True:
            if self.accept("'"):
                value = _primed(value)
            elif self.peek() in ("^", "**"):
                self.take()
                value = self._raised(value)
            elif self.peek() == "_":
                self.take()
                indices = self.indices()
                if isinstance(value, Symbol):
                    value = Symbol(value.name, (*value.indices, *indices))
                elif isinstance(value, Transpose) and isinstance(value.inner, Symbol):
                    value = Transpose(Symbol(value.inner.name, (*value.inner.indices, *indices)))
                else:
                    value = At(value, indices)
            elif self.peek() == "." and self.peek(1) in ("T", "mT") and self.adjacent():
                self.at += 2
                value = Transpose(value)
            else:
                return value

    def _raised(self, value: Node) -> Node:
        if self.accept("\\top"):
            return Transpose(value)
        group = self.peek() in ("{", "(")
        if group:
            closing = {"{": "}", "(": ")"}[self.take().text]
            if self.accept("\\top") or (self.peek() == "T" and self.peek(1) == closing and self.accept("T")):
                self.expect(closing)
                return Transpose(value)
            if self.peek() == "(" and closing == "}":  # ^{(h)}
                self.take()
                label = self.expression()
                self.expect(")")
                transposed = self.accept("\\top", "T")
                self.expect(closing)
                return Transpose(_labelled(value, label)) if transposed else _labelled(value, label)
            inner = self.expression()
            rest = [self.expression() for _ in range(4) if self.accept(",")]
            self.expect(closing)
            if closing == ")" and isinstance(inner, (Symbol, Number)) and not rest and isinstance(value, Symbol):
                return _labelled(value, inner)  # W^(h), W^(1)
            if rest:
                for item in (inner, *rest):
                    value = _labelled(value, item)
                return value
        elif self.peek() == "T" and isinstance(value, Node):
            self.take()
            return Transpose(value)
        else:
            inner = Minus(self._atom()) if self.accept("-") else self._atom()
        if isinstance(inner, Symbol) and self._is_label(value, inner):
            return _labelled(value, inner)
        if isinstance(inner, Operation) and inner.sign == "side" and group:
            bits = [item for item in (inner.left, inner.right) if inner.right == Symbol("T")]
            if bits:  # ^{h T}
                return Transpose(_labelled(value, inner.left))
        return Operation("^", value, inner)

    def _is_label(self, value: Node, inner: Symbol) -> bool:
        """Whether a raised name says which symbol is meant (W^Q, q^h), and is no power."""
        if not isinstance(value, Symbol) or inner.indices:
            return False
        if inner.name == "h":
            return "h" not in self._names and bool(value.indices or value.name[:1].isupper())
        return value.name[:1].isupper() and inner.name not in self._names and inner.name not in ("t", "n", "i")

    # -- atoms ---------------------------------------------------------------------------------------------------------

    def _atom(self) -> Node:
        sign = self.peek()
        if sign in ("(", "{"):
            return self._bracket()
        if sign == "[":
            return self._joined()
        if sign in ("|", "||"):
            return self._length()
        if sign == "\\frac":
            self.take()
            above, below = self._argument(), self._argument()
            return Operation("/", above, below)
        if sign == "\\sqrt" or sign == "sqrt":
            self.take()
            if sign == "\\sqrt" and self.peek() == "[":
                raise NotReadError("a root of another order; write it as a power")
            return Call("sqrt", (), (self._argument(),))
        if sign == "\\langle":
            self.take()
            left = self.expression()
            self.expect(",")
            right = self.expression()
            self.expect("\\rangle")
            return Operation(".", left, right)
        if sign == "\\begin":
            return self._cases()
        if sign and sign[0].isdigit():
            return Number(self.take().text)
        if sign and sign[0].isalpha() and not self.is_prose():
            return self._named()
        raise NotReadError(f"`{self.near()}` is no expression that is known")

    def _argument(self) -> Node:
        """Parse what a fraction or a root of LaTeX takes: a group, or one sign."""
        if self.peek() in ("{", "("):
            return self._bracket()
        if re.fullmatch(r"\d\d", self.peek()):  # \frac12
            token = self.tokens[self.at]
            self.tokens[self.at : self.at + 1] = [
                Token(token.text[0], token.start, token.start + 1),
                Token(token.text[1], token.start + 1, token.end),
            ]
        return self._atom() if self.peek()[:1].isdigit() else self._factor()

    def _bracket(self) -> Node:
        closing = {"{": "}", "(": ")"}[self.take().text]
        bars, self._bars = self._bars, []
        items = [self.comparison()]
        while self.accept(",", ";"):
            items.append(self.comparison())
        self.expect(closing)
        self._bars = bars
        return items[0] if len(items) == 1 else Joined(tuple(items))

    def _joined(self) -> Node:
        self.take()
        bars, self._bars = self._bars, []
        items = [self.comparison()]
        while self.accept(",", ";") or (self.peek() == "||" and self.accept("||")):
            items.append(self.comparison())
        self.expect("]")
        self._bars = bars
        return items[0] if len(items) == 1 else Joined(tuple(items))

    def _length(self) -> Node:
        bars = self.take().text
        self._bars.append(bars)
        inner = self.expression()
        self.expect(bars)
        self._bars.pop()
        order = None
        if self.peek() == "_":
            self.take()
            order = self.indices()[0]
        return Length(inner, len(bars), order)

    def _cases(self) -> Node:
        self.take()
        self.expect("{")
        if self.take().text != "cases":
            raise NotReadError("a matrix that is written out")
        self.expect("}")
        branches: list[tuple[Node, Node]] = []
        otherwise: Node | None = None
        while self.peek() != "\\end":
            value = self.expression()
            self.accept(",")
            while self.peek().lower() in ("if", "for", "when", "where"):
                self.take()
            if self.peek().lower() in ("otherwise", "else", "elsewhere"):
                self.take()
                otherwise = value
            else:
                branches.append((value, self.comparison()))
            self.accept(".", ",")
            self.accept("\\\\")
        self.at += 1
        for sign in ("{", "cases", "}"):
            self.expect(sign)
        if otherwise is None and len(branches) == 2:
            otherwise = branches.pop()[0]  # the other condition is taken to be the rest
        if otherwise is None or not branches:
            raise NotReadError("a definition by cases without a last one")
        return Cases(tuple(branches), otherwise)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _named(self) -> Node:
        token = self.take()
        name = token.text
        after = self.peek()
        if name in _OVER and after == "_":
            return self._over(_OVER[name])
        if name == "sum" and after in ("(", "{") and not self.adjacent():
            raise NotReadError("a sum that does not say over what")
        if name in ("R", "C") and after == "^":
            raise NotReadError("a set where an expression has to stand")
        if self._is_call(name):
            return self._call(name)
        if re.fullmatch(r"[A-Z]{2,3}|[A-Z][a-z]", name) and self._is_product(name):
            if len(name) == 3 and name[-1] == "T":
                raise NotReadError(f"{name}, which may be several symbols")
            first = Token(name[0], token.start, token.start + 1)
            rest = [Token(char, token.start + n + 1, token.start + n + 2) for n, char in enumerate(name[1:])]
            self.tokens[self.at - 1 : self.at] = [first, *rest]
            return Symbol(name[0])
        return self._indexed(Symbol({"lambda": "lam"}.get(name, name)))

    def _is_product(self, name: str) -> bool:
        """Whether a word is several symbols side by side, as in `Wx_t` and `QK^T`, and not the name of a map."""
        if name in self._names or self._is_name(name):
            return False
        if self.adjacent() and self.peek() in ("_", "^", "'"):
            return True
        return not self._begins_factor() and self.peek() not in ("@", "*", ".")

    def _indexed(self, symbol: Symbol) -> Symbol:
        while True:
            if self.peek() == "_":
                self.take()
                symbol = Symbol(symbol.name, (*symbol.indices, *self.indices()))
            elif self.accept("'"):
                symbol = Symbol(symbol.name + "p", symbol.indices)
            elif self.peek() in ("[", "(") and self.adjacent() and self._is_position():
                closing = {"[": "]", "(": ")"}[self.take().text]
                symbol = Symbol(symbol.name, (*symbol.indices, self.expression()))
                self.expect(closing)
            else:
                return symbol

    def _is_position(self) -> bool:
        """Whether brackets hold a position, such as [t], (t - 1) and [t - 2]."""
        inside = ""
        for ahead in range(1, 6):
            if self.peek(ahead) in (")", "]"):
                break
            inside += self.peek(ahead)
        if self.peek() == "[":
            return re.fullmatch(r"[tnisj](-\w+|\+\d+)?", inside) is not None
        return re.fullmatch(r"[tn](-\w+|\+\d+)?", inside) is not None and "t" not in self._names

    def indices(self) -> tuple[Node, ...]:
        """Parse what stands behind an underscore."""
        if self.peek() in ("{", "("):
            closing = {"{": "}", "(": ")"}[self.take().text]
            found = [self._index(closing)]
            while self.accept(","):
                found.append(self._index(closing))
            self.expect(closing)
            return tuple(part for item in found for part in _parted(item))
        token = self.take()
        if token.text == "\\langle":
            raise NotReadError("an index in angle brackets")
        if self._latex and len(token.text) > 1 and not token.text.isdigit() and token.text not in GREEK:
            place = self.at - 1
            if self.peek() in ("_", "^") or len(token.text) == 2:
                rest = Token(token.text[1:], token.start + 1, token.end)
                self.tokens[place : place + 1] = [Token(token.text[0], token.start, token.start + 1), rest]
                return (Symbol(token.text[0]),)
        text = token.text
        if text[0].isdigit():
            return (Number(text),)
        index: Node = Symbol(text)
        while self.peek() == "_" and self.adjacent() and len(text) > 1 and re.match(r"[a-z]\w", self.peek(1)):
            self.take()  # W_in_proj
            index = Symbol(f"{index.name}_{self.take().text}")  # type: ignore[attr-defined]
        return _parted(index)

    def _index(self, closing: str) -> Node:
        if self.peek() and self.peek()[0].isalpha() and self.is_prose():
            words = [self.take().text]
            while self.peek() not in (closing, ",", ""):
                words.append(self.take().text)
            return Symbol("".join(words))
        if self.peek() == "(":
            self.take()
            inner = self.expression()
            self.expect(")")
            return inner
        return self.expression()

    def _is_call(self, name: str) -> bool:
        if function(name) is None or name in self._names:
            return False
        after = self.peek()
        if name in ("sigma", "norm", "mean", "split") and after not in ("(", "{", "_"):
            return False
        return bool(after) and (
            after in ("(", "{", "_", "^", "[", "|", "||") or self._begins_factor() or after == "over"
        )

    def _call(self, name: str) -> Node:
        indices: tuple[Node, ...] = ()
        power: Node | None = None
        if self.accept("_"):
            if self.peek() in ("{", "(") and self._has_range():
                indices = (self._range_index(),)
            else:
                indices = self.indices()
        if self.accept("^"):
            power = self._argument()
        if self.peek() == "over":
            self.take()
            index, low, low_open, high, high_open = self._bounds()
            self.accept("of")
            indices = (Over("range", index, low, low_open, high, high_open, Number("0")),)
        if self.peek() in ("(", "{", "["):
            opening = self.take().text
            closing = {"(": ")", "{": "}", "[": "]"}[opening]
            bars, self._bars = self._bars, []
            arguments = [self.comparison()]
            while self.accept(",", ";"):
                arguments.append(self.comparison())
            self.expect(closing)
            self._bars = bars
        elif re.match(r"[A-Z\\]", self.peek()) or indices:
            arguments = [self._product() if indices and isinstance(indices[0], Over) else self._side()]
        else:
            arguments = [self._factor()]
        made: Node = Call(name, indices, tuple(arguments))
        return made if power is None else Operation("^", made, power)

    def _has_range(self) -> bool:
        depth, ahead = 0, 0
        while sign := self.peek(ahead):
            depth += (sign in ("(", "{")) - (sign in (")", "}"))
            if sign in (*_COMPARISONS, "=", "in"):
                return True
            if depth == 0:
                return False
            ahead += 1
        return False

    def _range_index(self) -> Node:
        closing = {"{": "}", "(": ")"}[self.take().text]
        index, low, low_open, high, high_open = self._bounds(closing)
        self.expect(closing)
        return Over("range", index, low, low_open, high, high_open, Number("0"))

    def _over(self, kind: str) -> Node:
        self.expect("_")
        low: Node | None = None
        high: Node | None = None
        low_open = high_open = False
        if self.peek() in ("{", "("):
            closing = {"{": "}", "(": ")"}[self.take().text]
            index, low, low_open, high, high_open = self._bounds(closing)
            self.expect(closing)
        else:
            index = self.take().text
        if self.accept("^"):
            high, high_open = self._argument(), False
        if kind in ("mean", "max") and self.peek() == "(":
            return Over(kind, index, low, low_open, high, high_open, self._factor())
        return Over(kind, index, low, low_open, high, high_open, self._product())

    def _bounds(self, closing: str = "") -> tuple[str, Node | None, bool, Node | None, bool]:
        """Parse `s <= t`, `t - w < s <= t`, `i = 0`, `k = 1 .. n` or `s` alone."""
        first = self.expression()
        if self.accept("="):
            low = self.expression()
            if self.accept("...", ".."):
                self.accept(",")
                return _plain(first), low, False, self.expression(), False
            if self.accept(","):
                self.accept("...", "..")
                while self.peek() not in (closing, ""):
                    last = self.expression()
                    self.accept(",", "...", "..")
                    if self.peek() == closing:
                        return _plain(first), low, False, last, False
            return _plain(first), low, False, None, False
        if self.peek() == "in":
            raise NotReadError("a sum over a set")
        if self.peek() not in _COMPARISONS:
            return _plain(first), None, False, None, False
        sign = self.take().text
        second = self.expression()
        if self.peek() in _COMPARISONS:
            other = self.take().text
            third = self.expression()
            if sign in (">", ">="):
                return _plain(second), third, other == ">", first, sign == ">"
            return _plain(second), first, sign == "<", third, other == "<"
        if sign in (">", ">="):
            return _plain(first), second, sign == ">", None, False
        return _plain(first), None, False, second, sign == "<"


def _plain(node: Node) -> str:
    if isinstance(node, Symbol) and not node.indices:
        return node.name
    raise NotReadError("a sum over more than one index")


def _parted(item: Node) -> tuple[Node, ...]:
    """Return the indices of `ij`, which is two of them."""
    if isinstance(item, Symbol) and not item.indices and _PAIR.fullmatch(item.name) and item.name[0] != item.name[1]:
        return (Symbol(item.name[0]), Symbol(item.name[1]))
    if isinstance(item, Operation) and item.sign == "side":
        return (*_parted(item.left), *_parted(item.right))
    return (item,)


def _labelled(value: Node, label: Node) -> Node:
    if isinstance(value, Symbol):
        return Symbol(value.name, (*value.indices, label))
    if isinstance(value, Transpose):
        return Transpose(_labelled(value.inner, label))
    if isinstance(value, At):
        return At(value.inner, (*value.indices, label))
    return At(value, (label,))


def _primed(value: Node) -> Node:
    if isinstance(value, Symbol):
        return Symbol(value.name + "p", value.indices)
    raise NotReadError("a prime behind an expression")
