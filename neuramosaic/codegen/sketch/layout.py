"""The text of a class: lines that are short enough to read."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

_WIDTH = 120
_INDENT = 8
#: Shortest expression that is worth a name of its own.
_SHORTEST = 30
#: `x ** 2`, `self.head_dim ** 0.5`: powers of what has a name or is a number, which are set without spaces.
_SIMPLE_POWER = re.compile(r"(?<![\w.)\]])([\w.]+) \*\* (-?[\w.]+)(?![\w.(\[])")


def lay_out(
    name: str, summary: str, arguments: Sequence[str], constructor: Sequence[str], forward: Sequence[str]
) -> str:
    """Return a module's class.

    Args:
        name: Its name.
        summary: What it is, in one line.
        arguments: Arguments of the constructor, `self` first.
        constructor: Statements of the constructor.
        forward: Statements of the forward pass, which takes `x`.
    """
    used = {node.id for line in forward for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    return "\n".join(
        [
            f"class {name}(nn.Module):",
            *_docstring(summary),
            "",
            *_signature(arguments),
            *(_indented(_statement(line)) for line in constructor),
            "",
            "    def forward(self, x):",
            *(_indented(_statement(part)) for line in forward for part in _parts(line, used)),
            "",
        ]
    )


def _indented(line: str) -> str:
    return " " * _INDENT + line


def _docstring(summary: str) -> list[str]:
    text = summary.replace("\\", "\\\\").replace('"""', "'''").rstrip(". ")
    lines = textwrap.wrap(f'"""{text}."""', _WIDTH - 4, break_on_hyphens=False)
    return [f"    {line}" for line in lines]


def _signature(arguments: Sequence[str]) -> list[str]:
    whole = f"    def __init__({', '.join(arguments)}):"
    if len(whole) <= _WIDTH:
        return [whole]
    return ["    def __init__(", *(_indented(f"{argument},") for argument in arguments), "    ):"]


def _statement(line: str) -> str:
    """Return a statement without needless brackets."""
    return _SIMPLE_POWER.sub(r"\1**\2", ast.unparse(ast.parse(line)))


def _parts(line: str, used: set[str]) -> Iterator[str]:
    """Cut a line that is too long into several, by giving parts of it names."""
    tree = ast.parse(line)
    while len(ast.unparse(tree)) > _WIDTH - _INDENT:
        statement = tree.body[0]
        part = _part(statement.value) if isinstance(statement, (ast.Assign, ast.Return)) and statement.value else None
        if part is None:
            break
        name, number = "part", 2
        while name in used:
            name, number = f"part{number}", number + 1
        used.add(name)
        yield f"{name} = {ast.unparse(part)}"
        tree = ast.parse(ast.unparse(_Named(part, name).visit(tree)))
    yield ast.unparse(tree)


def _part(whole: ast.expr) -> ast.expr | None:
    """Return the longest part of an expression that fits a line; None if no part is long enough to matter."""
    inner = [
        node
        for node in ast.walk(whole)
        if node is not whole
        and isinstance(node, (ast.Call, ast.BinOp))
        and _SHORTEST <= len(ast.unparse(node)) <= _WIDTH - _INDENT - len("part99 = ")
    ]
    return max(inner, key=lambda node: len(ast.unparse(node)), default=None)


class _Named(ast.NodeTransformer):
    """Puts a name in the place of one expression."""

    def __init__(self, part: ast.expr, name: str) -> None:
        self._part = part
        self._name = name

    def visit(self, node: ast.AST) -> ast.AST:
        """Return the name for the expression, what it is in for anything else."""
        return ast.Name(self._name) if node is self._part else self.generic_visit(node)
