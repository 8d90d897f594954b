"""Import lines: read from syntax trees, merged, and written in isort's order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass

LINE_LENGTH = 120


@dataclass(frozen=True)
class Import:
    """One imported name.

    Attributes:
        module: What is imported from, or what is imported if `name` is None.
        name: The member, for `from module import name`.
        alias: What follows `as`, or None.
    """

    module: str
    name: str | None = None
    alias: str | None = None

    @property
    def bound(self) -> str:
        """The name that the import makes available."""
        return self.alias or self.name or self.module.split(".")[0]


def read_imports(node: ast.Import | ast.ImportFrom) -> tuple[Import, ...]:
    """Return what one statement imports."""
    if isinstance(node, ast.Import):
        return tuple(Import(alias.name, None, alias.asname) for alias in node.names)
    return tuple(Import(node.module or "", alias.name, alias.asname) for alias in node.names)


def write_imports(imports: Iterable[Import]) -> str:
    """Return the import lines, formatted and sorted as ruff does: future, standard library, third party."""
    wanted = set(imports)
    sections = (
        {item for item in wanted if _section(item) == 0},
        {item for item in wanted if _section(item) == 1},
        {item for item in wanted if _section(item) == 2},
    )
    return "\n\n".join("\n".join(_lines(section)) for section in sections if section)


def _section(item: Import) -> int:
    root = item.module.split(".")[0]
    return 0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2


def _lines(section: set[Import]) -> list[str]:
    plain = sorted((item for item in section if item.name is None), key=lambda item: (item.module, item.alias or ""))
    lines = [f"import {item.module}" + (f" as {item.alias}" if item.alias else "") for item in plain]
    members = [(item.module, item.name, item.alias) for item in section if item.name is not None]
    for module in sorted({module for module, _, _ in members}):
        own = sorted(((name, alias) for home, name, alias in members if home == module), key=lambda pair: pair[0])
        lines.extend(_from_lines(module, sorted((name for name, alias in own if not alias), key=_member_order)))
        lines.extend(f"from {module} import {name} as {alias}" for name, alias in own if alias)
    return lines


def _from_lines(module: str, names: list[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return [line] if names else []
    return [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _member_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as isort's `order-by-type`."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)
