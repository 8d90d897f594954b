"""The part of the grammar that begins with a name: symbols with indices, functions, and what goes over an index."""

from __future__ import annotations

import re
from collections.abc import Collection

from neuramosaic.codegen.sketch.equations.cursor import Cursor
from neuramosaic.codegen.sketch.equations.names import function
from neuramosaic.codegen.sketch.equations.syntax import Call, Minus, Node, Number, Operation, Over, Symbol
from neuramosaic.codegen.sketch.equations.tokens import GREEK, NotReadError, Token

COMPARISONS = ("<", "<=", ">", ">=", "==")
"""Signs between two sides of a comparison."""
_PAIR = re.compile(r"[tsijlmnu]{2}")
_OVER = {"sum": "sum", "prod": "prod", "max": "max", "mean": "mean", "avg": "mean", "Sum": "sum"}


class Named(Cursor):
    """Parses what begins with a name; the rest of the grammar is that of `Parser`."""

    def __init__(self, text: str, names: Collection[str], latex: bool = False) -> None:
        super().__init__(text, names, latex)
        self._bars: list[str] = []

    def expression(self) -> Node:
        """Parse a sum of products."""
        raise NotImplementedError

    def comparison(self) -> Node:
        """Parse an expression, or a comparison of several."""
        raise NotImplementedError

    def _product(self) -> Node:
        raise NotImplementedError

    def _side(self) -> Node:
        raise NotImplementedError

    def _factor(self) -> Node:
        raise NotImplementedError

    def _argument(self) -> Node:
        raise NotImplementedError

    def _begins_factor(self, ahead: int = 0) -> bool:
        raise NotImplementedError

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
        if self.peek() == "(" and self.adjacent() and self._is_unknown_function(name):
            raise NotReadError(f"{name}(...), a function that is not said")
        return self._indexed(Symbol({"lambda": "lam"}.get(name, name)))

    def _is_unknown_function(self, name: str) -> bool:
        """Whether a name before brackets is that of a function that no equation defines: `MLP(x)`, `G(x)`."""
        if name in self._names or name in GREEK:
            return False
        if re.fullmatch(r"[A-Z][A-Za-z]{2,}", name):
            return True
        closing = 2 + 2 * (self.peek(2) == "_")
        alone = self.peek(1)[:1].isalpha() and self.peek(closing) == ")"
        return alone and re.fullmatch(r"[A-Z]", name) is not None and name not in ("W", "U", "V", "F")

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
        if name in ("E", "Norm"):  # E[x] is a mean; Norm(x) may be any norm
            return name == "E" and after == "["
        if name in ("sigma", "norm", "mean", "split") and after not in ("(", "{", "_"):
            return False
        return bool(after) and (
            after in ("(", "{", "_", "^", "[", "|", "||") or self._begins_factor() or after == "over"
        )

    def _call(self, name: str) -> Node:
        indices: tuple[Node, ...] = ()
        power: Node | None = None
        of_all = False
        if self.accept("_"):
            if self.peek() in ("{", "(") and self._has_range():
                indices = (self._range_index(),)
            else:
                indices = self.indices()
        if self.accept("^"):
            power = self._argument()
            if power == Minus(Number("1")):
                raise NotReadError(f"{name}^-1, an inverse function or a power")
        if self.peek() == "over":
            self.take()
            index, low, low_open, high, high_open = self._bounds()
            of_all = self.accept("of")
            indices = (Over("range", index, low, low_open, high, high_open, Number("0")),)
        if of_all:  # `softmax over s <= t of (q . k) / sqrt(d)`
            arguments = [self._product()]
        elif self.peek() in ("(", "{", "["):
            opening = self.take().text
            closing = {"(": ")", "{": "}", "[": "]"}[opening]
            bars, self._bars = self._bars, []
            arguments = [self.comparison()]
            of_heads = False
            while self.accept(",", ";"):
                if self.accept("..."):  # Concat(O_1, ..., O_H)
                    of_heads = True
                else:
                    arguments.append(self.comparison())
            self.expect(closing)
            self._bars = bars
            if of_heads:
                arguments, indices = [_of_heads(name, arguments)], (Symbol("h"),)
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
            if sign in (*COMPARISONS, "=", "in"):
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
        if self.peek() not in COMPARISONS:
            return _plain(first), None, False, None, False
        sign = self.take().text
        second = self.expression()
        if self.peek() in COMPARISONS:
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


def _of_heads(name: str, arguments: list[Node]) -> Node:
    """Return what `O_1, ..., O_H` is the list of: `O_h`.

    Raises:
        NotReadError: If it is no list of what heads have.
    """
    first, last = arguments[0], arguments[-1]
    if function(name) == "concat" and isinstance(first, Symbol) and isinstance(last, Symbol) and first.indices:
        ends = last.indices[-1:] in ((Symbol("H"),), (Symbol("h"),), (Symbol("heads"),))
        same = first.name == last.name and first.indices[:-1] == last.indices[:-1]
        if ends and same and first.indices[-1] == Number("1"):
            return Symbol(first.name, (*first.indices[:-1], Symbol("h")))
    raise NotReadError("a list with an end that is not known")
