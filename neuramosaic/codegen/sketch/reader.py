"""A reader of juxtaposed mathematics: `W_o (h_t * g)` is `W_o(h_t * g)`, `a b` is `a * b`."""

from __future__ import annotations

import re

from neuramosaic.codegen.sketch.signs import MAP
from neuramosaic.codegen.sketch.vocabulary import is_known

#: Words that begin a remark behind an expression.
_PROSE = frozenset(
    "over the of in with where per each is are and as that than to computed so from at its both for by if when then "
    "elsewhere otherwise depthwise causal causally zeros shared rounded learned no not until before after element "
    "elementwise".split()
)
_TOKEN = re.compile(
    r"\s*("
    r"\d+\.\d*(?:e-?\d+)?|\d+(?:e-?\d+)?"  # 0.5, 1e-6
    r"|[A-Za-z_]\w*'?"  # W_o, f'
    r"|\.(?!mT\b)[A-Za-z]\w*|\.mT"  # .sigmoid, .mT
    r"|\*\*|<=|>=|==|[-+*/@(),<>=.\[\]:]"
    r")"
)
_DEEPEST = 40


class NotReadError(Exception):
    """Not an expression that this reader knows."""


def read(text: str) -> str:
    """Return an expression, `name = expression` or `return expression` as Python.

    Raises:
        NotReadError: If it is none.
    """
    return _Reader(text).read()


class _Reader:
    """Reads an expression in which what stands side by side is applied (a map, a function) or multiplied."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = 0
        text = text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise NotReadError
            self._tokens.append(match[1])
            place = match.end()
        self._at = 0
        self._depth = 0

    def read(self) -> str:
        """Return the whole as Python."""
        prefix = ""
        if self._peek() == "return":
            prefix, self._at = "return ", 1
        elif len(self._tokens) > 2 and self._tokens[1] == "=":
            prefix, self._at = f"{self._tokens[0]} = ", 2
        value = self._tuple()
        if self._at < len(self._tokens):
            raise NotReadError
        return prefix + value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise NotReadError
        self._at += 1
        return token

    def _tuple(self) -> str:
        items = [self._comparison()]
        while self._peek() == ",":
            self._take()
            items.append(self._comparison())
        return ", ".join(items)

    def _bracket(self) -> str:
        """Read `a, b]`: channels side by side."""
        items = [self._comparison()]
        while self._peek() in (",", ";"):
            self._take()
            items.append(self._comparison())
        self._expect("]")
        value = items[0]
        for item in items[1:]:
            value = f"concat({value}, {item})"
        return value

    def _comparison(self) -> str:
        value = self._sum()
        while self._peek() in ("<", "<=", ">", ">=", "=="):
            value += f" {self._take()} {self._sum()}"
        return value

    def _sum(self) -> str:
        value = self._product()
        while self._peek() in ("+", "-"):
            value += f" {self._take()} {self._product()}"
        return value

    def _product(self) -> str:
        value = self._factor()
        while True:
            token = self._peek()
            if token == ".":
                self._take()
                value = f"dot({value}, {self._factor()})"
            elif token in ("*", "/", "@"):
                self._take()
                value += f" {token} {self._factor()}"
            elif token in _PROSE:
                self._at = len(self._tokens)  # a remark; what came before it is the expression
                return value
            elif re.match(r"[A-Za-z_(\[\d]", token):
                value += f" * {self._factor()}"
            else:
                return value

    def _factor(self) -> str:
        self._depth += 1  # every way to nest leads through here
        if self._depth > _DEEPEST:
            raise NotReadError
        if self._peek() in ("-", "+"):
            value = self._take() + self._factor()
        else:
            value = self._atom()
            if self._peek() == "**":
                self._take()
                value += f" ** {self._factor()}"
        self._depth -= 1
        return value

    def _atom(self) -> str:
        token = self._take()
        if token == "(":
            value = f"({self._tuple()})"
            self._expect(")")
        elif token == "[":
            value = self._bracket()
        elif re.match(r"[A-Za-z_]", token):
            value = self._named(token)
        elif token[0].isdigit():
            value = token
        else:
            raise NotReadError
        while self._peek().startswith(".") and len(self._peek()) > 1:
            value += self._take()
            if self._peek() == "(":
                self._take()
                value += "(" + ("" if self._peek() == ")" else self._tuple())
                self._expect(")")
                value += ")"
        return value

    def _named(self, name: str) -> str:
        """Read what a name begins: a call, a map or function with what stands behind it, or the name alone."""
        written = name.rstrip("'")
        is_map = re.fullmatch(MAP, name) is not None
        is_function = is_map or is_known(re.sub(r"_(t|s)$", "", name)) or is_known(name)
        if self._peek() == "(" and is_function:
            self._take()
            arguments: list[str] = []
            while self._peek() != ")":
                argument = self._comparison()
                if self._peek() == "=":
                    self._take()
                    argument += f"={self._comparison()}"
                arguments.append(argument)
                if self._peek() == ",":
                    self._take()
            self._expect(")")
            inside = ", ".join(arguments)
            if is_map and self._peek() == "**":  # W_2 (W_1 x)^3: the power is of what is mapped
                self._take()
                inside = f"({inside}) ** {self._factor()}"
            return f"{written}({inside})"
        if is_map and self._peek() in ("*", "@"):
            self._take()
        if is_function and (re.match(r"[A-Za-z_(\[]", self._peek()) or (not is_map and self._peek()[:1].isdigit())):
            return f"{written}({self._factor()})"
        return written

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise NotReadError
