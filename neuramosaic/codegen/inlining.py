"""Building blocks written into the file of a generated component: what it calls and does not define itself."""

from __future__ import annotations

import ast
import builtins
from functools import cache
from pathlib import Path

from neuramosaic.codegen.imports import Import, read_imports, write_imports
from neuramosaic.errors import CodegenError

_COMPONENTS = Path(__file__).parents[1] / "components"
#: Where blocks stand; of the components only what a block needs is taken.
_FILES = ("mixers/min_gru.py", "mixers/recurrence.py", "blocks.py")
#: What generated code often uses and forgets to import.
_USUAL = {
    "torch": Import("torch"),
    "math": Import("math"),
    "F": Import("torch.nn.functional", None, "F"),
    "nn": Import("torch", "nn"),
    "Tensor": Import("torch", "Tensor"),
}


@cache
def block_names() -> tuple[str, ...]:
    """Return the names of the blocks, in the order in which a person would read them."""
    tree = ast.parse((_COMPONENTS / "blocks.py").read_text(encoding="utf-8"))
    return (*(node.name for node in tree.body if isinstance(node, ast.FunctionDef)), "linear_scan")


@cache
def block_signature(name: str) -> str:
    """Return a block's `def` line and the first line of its docstring."""
    node = _blocks()[name][0]
    assert isinstance(node, ast.FunctionDef)
    summary = (ast.get_docstring(node) or "").splitlines()[0]
    return f"{name}({ast.unparse(node.args)}): {summary}"


def inline_blocks(source: str) -> str:
    """Return a component's source with what it needs: imports, the blocks that it calls, then its own definitions.

    A block that it defines itself stays its own. Names that nobody knows are left: the ladder will speak of them.

    Args:
        source: Python source of one file.

    Raises:
        CodegenError: If it does not parse, or imports what no component may.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where, what = getattr(error, "lineno", "?"), getattr(error, "msg", error)
        raise CodegenError(f"line {where}: the code does not parse: {what}") from error
    imports: set[Import] = set()
    own: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.update(read_imports(node))
        elif not _is_docstring(node):
            own.append(node)
    defined = {name for node in own for name in _defined(node)}
    wanted = _needed({name for node in own for name in _used(node)} - defined - {item.bound for item in imports})
    blocks = [(node, text) for name, (node, text, _) in _blocks().items() if name in wanted and name not in defined]
    for _, _, needs in (_blocks()[name] for name in wanted if name not in defined):
        imports |= needs
    used = {name for node in own for name in _used(node)}
    imports |= {item for name, item in _USUAL.items() if name in used and name not in defined}
    imports = {item for item in imports if item.bound in used or any(item in _blocks()[n][2] for n in wanted)}
    lines = source.splitlines()
    body = "\n\n\n".join(_text(lines, node) for node in own)
    constants = "\n".join(text for node, text in blocks if isinstance(node, ast.Assign))
    functions = [text for node, text in blocks if not isinstance(node, ast.Assign)]
    docstring = _text(lines, tree.body[0]) if tree.body and _is_docstring(tree.body[0]) else ""
    header = "\n\n".join(part for part in (docstring, write_imports(imports), constants) if part)
    return "\n\n\n".join([header, *functions, body]) + "\n"


def _needed(names: set[str]) -> set[str]:
    """Return the blocks among `names`, and all that those need."""
    reached: set[str] = set()
    waiting = [name for name in names if name in _blocks()]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(other for other in _used(_blocks()[name][0]) if other in _blocks())
    return reached


@cache
def _blocks() -> dict[str, tuple[ast.stmt, str, frozenset[Import]]]:
    """Return what can be inlined: its syntax tree, its text, and the imports that it needs."""
    found: dict[str, tuple[ast.stmt, str, frozenset[Import]]] = {}
    for name in _FILES:
        text = (_COMPONENTS / name).read_text(encoding="utf-8")
        lines, tree = text.splitlines(), ast.parse(text)
        imports = [
            item for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)) for item in read_imports(node)
        ]
        imports = [item for item in imports if not item.module.startswith("neuramosaic")]
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.Assign)):
                used = _used(node)
                needs = frozenset(item for item in imports if item.bound in used)
                found |= {defined: (node, _text(lines, node), needs) for defined in _defined(node)}
    return found


def _text(lines: list[str], node: ast.stmt) -> str:
    """Return a statement's source, with its decorators and the comment behind it."""
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()


def _used(node: ast.AST) -> set[str]:
    """Return the names that are read in a piece of code, builtins left out."""
    names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
    return {name for name in names if not hasattr(builtins, name)}
