"""From the text of an equation to the definitions in it, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from neuramosaic.codegen.sketch.equations.names import BEYOND
from neuramosaic.codegen.sketch.equations.parser import Parser
from neuramosaic.codegen.sketch.equations.syntax import (
    Call,
    Cases,
    Compared,
    Joined,
    Minus,
    Node,
    Number,
    Statement,
    Symbol,
)
from neuramosaic.codegen.sketch.equations.tokens import NotReadError, normalised

_BEYOND = re.compile(BEYOND, re.IGNORECASE)
#: Words with which a second way to compute the same begins.
_OTHER_FORM = re.compile(
    r"\s*(?:equivalent|chunk(?:wise)?[ -]|in chunks|parallel form|recurrent form|in other words|that is\b|i\.e\.|note\b"
    r"|computed\b|here\b.*\bcausal|all\b.*\bcausal|in parallel|as a convolution)",
    re.IGNORECASE,
)
#: Words that may follow an expression without a sign between.
_AFTER = frozenset(
    "over with where per each for in depthwise of and is are computed as elementwise element then on at by causal so "
    "when to from without using applied since because pointwise both all independently separately channel which the "
    "along across".split()
)
#: Words and signs behind which a definition may begin.
_BOUNDARY = frozenset([",", ";", ".", ":", "\\\\", "where", "with", "and", "constant", "let", "Let", "then", "(", "]"])
_SIGN = re.compile(r"(?<![<>=!]):?=(?!=)")
_INDEX = re.compile(r"[_^]\{[^{}]*\}|_\([^()]*\)|(?<=\w)[\[(][^\])]*[\])]|[_^]\w+|'")
#: Characters before a sign in which what it defines stands.
_REACH = 160


def defined_words(equations: Iterable[str]) -> set[str]:
    """Return the words that equations define, so that they are no prose elsewhere."""
    words: set[str] = set()
    for text in equations:
        for sign in _SIGN.finditer(text):
            before = _INDEX.sub("", text[max(0, sign.start() - _REACH) : sign.start()])
            for place, item in enumerate(reversed(re.split(r"[,;]", before))):
                parts = item.strip(" [(])").split()
                if not parts or (place and len(parts) > 1) or not re.fullmatch(r"\\?[A-Za-z][A-Za-z0-9]*", parts[-1]):
                    break
                words.add(parts[-1].lstrip("\\"))
    return words


def statements(equation: str, names: Collection[str]) -> list[Statement]:
    """Return the definitions of an equation, each with the words behind it.

    Args:
        equation: As the card has it.
        names: Words that are names: hyper-parameters, and what any equation defines.

    Raises:
        NotReadError: If it holds more than definitions.
    """
    text = normalised(equation)
    if _OTHER_FORM.match(text):
        return []
    return _Reader(text, names, "\\" in equation and re.search(r"\\[a-zA-Z]", equation) is not None).read()


class _Reader:
    def __init__(self, text: str, names: Collection[str], latex: bool) -> None:
        self._parser = Parser(text, names, latex)
        self._text = text

    def read(self) -> list[Statement]:
        parser, found = self._parser, list[Statement]()
        words_from = 0
        is_boundary = True
        while parser.peek():
            left = self._left() if is_boundary else None
            if left is None:
                is_boundary = parser.take().text in _BOUNDARY
                continue
            names, parameters, began = left
            self._say(found, words_from, began)
            if _OTHER_FORM.match(self._text[words_from:began].strip(" ,;.:")):
                return found
            values = self._right(names)
            if not (len(names) == 1 and _is_first(names[0]) and is_zero(values[0])):  # S_0 = 0
                found.append(Statement(names, values, parameters))
            words_from = parser.tokens[parser.at].start if parser.peek() else len(self._text)
            if parser.peek() and parser.peek() not in _BOUNDARY | _AFTER:
                raise NotReadError(f"`{parser.near()}`")
            is_boundary = False
        self._say(found, words_from, len(self._text))
        for place in range(len(found) - 2, -1, -1):
            behind = found[place + 1].remark
            if found[place].remark.strip() in ("", ",", "and", ", and") and re.search(r"\b(?:each|both|all)\b", behind):
                item = found[place]
                found[place] = Statement(item.left, item.right, item.parameters, behind)
        return found

    def _say(self, found: list[Statement], start: int, end: int) -> None:
        """Put words behind the definition that they follow.

        Raises:
            NotReadError: If they say more than a remark may.
        """
        words = self._text[start:end].strip()
        if beyond := _BEYOND.search(words):
            raise NotReadError(f"`{beyond[0]}`, which is more than an expression")
        rest = re.sub(r"\bfor\s+(?:head\s+)?\w+\s*=\s*[\w.,\s]*|\(?\b\w+_0\s*=\s*0\)?", "", words)
        if re.search(r"(?<![<>=])=(?!=)", rest):
            raise NotReadError(f"`{words[:60]}`")
        if found:
            last = found[-1]
            found[-1] = Statement(last.left, last.right, last.parameters, f"{last.remark} {words}".strip())

    def _left(self) -> tuple[tuple[Node, ...], tuple[str, ...], int] | None:
        """Read the left side of a definition; nothing is read if none stands here."""
        parser = self._parser
        start = parser.at
        began = parser.tokens[start].start
        try:
            items = [self._defined()]
            while parser.accept(","):
                items.append(self._defined())
            if not parser.accept(":="):
                parser.expect("=")
        except NotReadError:
            parser.at = start
            return None
        if len(items) == 1 and isinstance(items[0], Call) and items[0].name == "of":
            function = items[0].arguments
            parameters = tuple(item.name for item in function[1:] if isinstance(item, Symbol))
            return (function[0],), parameters, began
        return tuple(items), (), began

    def _defined(self) -> Node:
        parser = self._parser
        sign = parser.peek()
        if sign in ("[", "("):
            closing = {"[": "]", "(": ")"}[sign]
            parser.take()
            items = [self._defined()]
            while parser.accept(",", ";"):
                items.append(self._defined())
            parser.expect(closing)
            return Joined(tuple(items))
        if not sign[:1].isalpha() or parser.is_prose() or sign in ("where", "with", "and", "in"):
            raise NotReadError("no name")
        if sign in ("log", "ln") and parser.peek(1)[:1].isalpha():
            parser.take()
            return Call("log", (), (self._defined(),))
        name = parser._factor() if sign.lower() != "f" or parser.peek(1) != "(" else Symbol(parser.take().text)
        if not isinstance(name, Symbol):
            raise NotReadError("no name")
        if parser.peek() == "(":  # phi(z) = ...
            parser.take()
            arguments: list[Node] = [parser.expression()]
            while parser.accept(","):
                arguments.append(parser.expression())
            parser.expect(")")
            if all(isinstance(item, Symbol) and not item.indices for item in arguments):
                return Call("of", (), (name, *arguments))
            raise NotReadError("no name")
        return name

    def _right(self, names: tuple[Node, ...]) -> tuple[Node, ...]:
        parser = self._parser
        values = [self._value()]
        while len(values) < len(names) and parser.peek() == ",":
            parser.take()
            values.append(self._value())
        if len(values) not in (1, len(names)):
            raise NotReadError(f"{len(names)} names and {len(values)} values")
        if parser.peek() in ("=", ":=", "<", "<=", ">", ">="):
            raise NotReadError(f"`{parser.near()}`")
        return tuple(values)

    def _value(self) -> Node:
        """Read an expression, and the cases that it holds in."""
        parser = self._parser
        value = parser.expression()
        start = parser.at
        parser.accept(",")
        if parser.peek() not in ("where", "if", "when", "for"):
            parser.at = start
            return value
        branches: list[tuple[Node, Node]] = []
        try:
            while parser.accept("where", "if", "when", "for"):
                condition = parser.comparison()
                if not isinstance(condition, Compared):
                    raise NotReadError("no condition")
                branches.append((value, condition))
                parser.accept(",", ";")
                parser.accept("and")
                before_value = parser.accept("else", "otherwise", "elsewhere")
                value = parser.expression()
                if before_value or parser.accept("elsewhere", "otherwise", "else"):
                    return Cases(tuple(branches), value)
                parser.accept(",")
            raise NotReadError("no last case")
        except NotReadError:
            parser.at = start
            value = branches[0][0] if branches else value
            return value


def _is_first(node: Node) -> bool:
    """Whether a left side is a state before the first position: `h_0`, `h_{-1}`."""
    if not isinstance(node, Symbol) or len(node.indices) != 1:
        return False
    return node.indices[0] in (Number("0"), Minus(Number("1")))


def is_zero(node: Node) -> bool:
    """Whether a part is the number nought."""
    return isinstance(node, Number) and float(node.text) == 0


def definitions(equations: Iterable[str], names: Collection[str]) -> tuple[list[Statement], bool]:
    """Return the definitions of those equations that can be parsed, and whether all could.

    Args:
        equations: Of a card.
        names: Its hyper-parameters.
    """
    texts = list(equations)
    words = defined_words(texts) | set(names)
    found: list[Statement] = []
    complete = True
    for text in texts:
        try:
            found += statements(text, words)
        except (NotReadError, RecursionError):
            complete = False
    return found, complete
