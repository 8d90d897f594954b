"""A grammar of equations: from signs to what they are parts of."""

from __future__ import annotations

import re
from collections.abc import Collection

from neuramosaic.codegen.sketch.equations.named import COMPARISONS, Named
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
    Symbol,
    Transpose,
)
from neuramosaic.codegen.sketch.equations.tokens import NotReadError, Token

_DEEPEST = 40


class Parser(Named):
    """Parses the expressions of one equation; what parses them may ask where it stands."""

    def __init__(self, text: str, names: Collection[str], latex: bool = False) -> None:
        super().__init__(text, names, latex)
        self._depth = 0

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
        while self.peek() in COMPARISONS:
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
        is_own = function(self.peek()) is None or self.peek() in self._names
        if re.match(r"[A-Z]", self.peek()) and is_own and not self.is_prose():
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
