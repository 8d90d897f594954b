"""The equations of a component, as its module's docstring gives them."""

from __future__ import annotations

import ast

from neuramosaic.components.spec import ComponentSpec


def equations_of(spec: ComponentSpec) -> list[str]:
    """Return the indented lines of the docstring of a component's module, without their indentation; maybe none.

    A deeper indented line goes on with the one before it.
    """
    try:
        text = ast.get_docstring(ast.parse(spec.source)) or ""
    except (SyntaxError, ValueError):
        return []
    lines: list[str] = []
    for line in text.splitlines()[1:]:
        depth, plain = len(line) - len(line.lstrip()), " ".join(line.split())
        if depth > 4 and lines:
            lines[-1] = f"{lines[-1]} {plain}"
        elif depth == 4:
            lines.append(plain)
    return lines
