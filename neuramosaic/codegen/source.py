"""A component's source, taken apart: its imports, and the definitions that its class needs."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from neuramosaic.codegen.imports import Import, read_imports
from neuramosaic.components.spec import ComponentSpec
from neuramosaic.errors import CodegenError


@dataclass(frozen=True)
class Definition:
    """A constant, function or class of a component's file.

    Attributes:
        name: Its name.
        text: Its source with the comments above it.
        uses: The definitions of the same file that it needs, itself among them, directly or not; in order of the file.
        is_constant: Whether it is neither a function nor a class.
    """

    name: str
    text: str
    uses: tuple[str, ...]
    is_constant: bool

    def renamed(self, names: Mapping[str, str]) -> str:
        """Return its source with top-level names replaced.

        Raises:
            CodegenError: If an argument has one of the names, so that a replacement could change the meaning.
        """
        tree = ast.parse(self.text)
        places: set[tuple[int, int, str]] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in names:
                places.add((node.lineno, node.col_offset, node.id))
            elif isinstance(node, ast.arg) and node.arg in names:
                raise CodegenError(
                    f"{node.arg!r} is a top-level name that another component has too: name it otherwise"
                )
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node is tree.body[0] and node.name in names:
                line = self.text.splitlines()[node.lineno - 1]
                match = re.match(rf"(class|def)\s+(?={node.name}\b)", line)
                places.add((node.lineno, match.end() if match else 0, node.name))
        lines = [line.encode() for line in self.text.splitlines()]  # the columns of a syntax tree count bytes
        for row, column, name in sorted(places, reverse=True):
            before, after = lines[row - 1][:column], lines[row - 1][column + len(name.encode()) :]
            lines[row - 1] = before + names[name].encode() + after
        return b"\n".join(lines).decode()


@dataclass(frozen=True)
class ComponentSource:
    """What of a component's file goes into model.py.

    Attributes:
        imports: The names that the file imports.
        definitions: The component's class and what it needs, in order of the file.
    """

    imports: tuple[Import, ...]
    definitions: tuple[Definition, ...]


def read_source(spec: ComponentSpec) -> ComponentSource:
    """Take a component's source apart. Nothing is executed.

    Raises:
        CodegenError: If it does not parse, imports more than torch and the standard library, has statements other than
            definitions at its top level, or lacks the component's class.
    """
    where = f"{spec.slot} {spec.name!r}"
    try:
        tree = ast.parse(spec.source)
    except (SyntaxError, ValueError) as error:
        raise CodegenError(f"{where}: its source does not parse: {error}") from error
    imports: list[Import] = []
    texts: dict[str, str] = {}
    nodes: dict[str, ast.stmt] = {}
    lines = spec.source.splitlines()
    end = 0
    for index, node in enumerate(tree.body):
        start, end = end, node.end_lineno or node.lineno
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _check_import(where, node)
            imports.extend(read_imports(node))
        elif name := _defined(node):
            if node.lineno <= start or name in nodes:
                raise CodegenError(f"{where}: line {node.lineno}: one definition per line, and each name once")
            nodes[name], texts[name] = node, "\n".join(lines[start:end]).strip("\n")
        elif not (index == 0 and isinstance(node, ast.Expr)):
            raise CodegenError(
                f"{where}: line {node.lineno}: only imports, constants, functions and classes may stand here"
            )
    if not isinstance(nodes.get(spec.class_name), ast.ClassDef):
        raise CodegenError(f"{where}: its source defines no class {spec.class_name!r}")
    used = {name: _names(node) & nodes.keys() for name, node in nodes.items()}
    definitions = tuple(
        Definition(name, texts[name], _closure(name, used), isinstance(nodes[name], (ast.Assign, ast.AnnAssign)))
        for name in _closure(spec.class_name, used)
    )
    return ComponentSource(tuple(imports), definitions)


def _check_import(where: str, node: ast.Import | ast.ImportFrom) -> None:
    for item in read_imports(node):
        root = item.module.split(".")[0]
        if (isinstance(node, ast.ImportFrom) and node.level) or item.name == "*":
            raise CodegenError(f"{where}: line {node.lineno}: import modules by their full names, and members by name")
        if root != "torch" and root not in sys.stdlib_module_names:
            raise CodegenError(f"{where}: line {node.lineno}: imports {root!r}: a component imports torch only")


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return None


def _names(node: ast.AST) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _closure(name: str, used: Mapping[str, set[str]]) -> tuple[str, ...]:
    reached, waiting = {name}, [name]
    while waiting:
        fresh = used[waiting.pop()] - reached
        reached |= fresh
        waiting.extend(fresh)
    return tuple(item for item in used if item in reached)
