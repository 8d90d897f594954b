"""Building blocks written into the file of a generated component: what it calls and does not define itself."""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from neuramosaic.codegen.imports import Import, read_imports, write_imports
from neuramosaic.errors import CodegenError

_COMPONENTS = Path(__file__).parents[1] / "components"
#: Where blocks stand; of the components only what a block needs is taken.
_FILES = ("mixers/min_gru.py", "mixers/recurrence.py", "blocks.py")
#: What generated code often uses and forgets to import.
_USUAL = (
    Import("torch"),
    Import("math"),
    Import("torch.nn.functional", None, "F"),
    Import("torch", "nn"),
    Import("torch", "Tensor"),
)


@dataclass(frozen=True)
class _Block:
    """A function that generated code may call, or a constant that one needs.

    Attributes:
        text: Its source.
        node: Its syntax tree.
        imports: What its file imports for it.
        uses: Names that it reads.
    """

    text: str
    node: ast.stmt
    imports: frozenset[Import]
    uses: frozenset[str]

    @property
    def is_constant(self) -> bool:
        """Whether it is no function."""
        return not isinstance(self.node, ast.FunctionDef)


@cache
def block_names() -> tuple[str, ...]:
    """Return the names of the blocks, in the order in which a person would read them."""
    tree = ast.parse((_COMPONENTS / "blocks.py").read_text(encoding="utf-8"))
    return (*(node.name for node in tree.body if isinstance(node, ast.FunctionDef)), "linear_scan")


@cache
def block_signature(name: str) -> str:
    """Return a block's name and arguments, and the first line of its docstring."""
    node = _blocks()[name].node
    assert isinstance(node, ast.FunctionDef)
    summary = (ast.get_docstring(node) or "").splitlines()[0]
    return f"{name}({ast.unparse(node.args)}): {summary}"


def inline_blocks(source: str) -> str:
    """Return a component's source with what it needs: imports, the blocks that it calls, then its own definitions.

    What it defines itself stays its own, and imports that it does not use are left out. Names that nobody knows are
    left: the ladder will speak of them. Nothing is executed.

    Args:
        source: Python source of one file.

    Raises:
        CodegenError: If it does not parse, or imports something else under a name that a block it calls needs.
    """
    tree, used = _parse(source)
    imports: set[Import] = set()
    defined: set[str] = set()
    docstring, own = "", []
    lines = source.splitlines()
    end = 0
    for index, node in enumerate(tree.body):
        start, end = end, node.end_lineno or node.lineno
        text = "\n".join(lines[start:end]).strip("\n")  # with the comments above it
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.update(map(_as_usual, read_imports(node)))
        elif index == 0 and isinstance(node, ast.Expr):
            docstring = text
        else:
            own.append(text)
            defined |= _defined(node)
    imports = {item for item in imports if item.bound in used or item.module == "__future__"}
    known = defined | {item.bound for item in imports}
    imports |= {item for item in _USUAL if item.bound in used - known}
    blocks = _needed(used - known, defined)
    for block in blocks:
        imports |= _compatible(block.imports, imports)
    constants = "\n".join(block.text for block in blocks if block.is_constant)
    header = "\n\n".join(part for part in (docstring, write_imports(imports), constants) if part)
    functions = [block.text for block in blocks if not block.is_constant]
    return "\n\n\n".join(part for part in (header, *functions, *own) if part) + "\n"


def _parse(source: str) -> tuple[ast.Module, set[str]]:
    """Return the syntax tree of a file, and the names that it expects to find at its top level."""
    try:
        tree = ast.parse(source)
        tables = [symtable.symtable(source, "component", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where, what = getattr(error, "lineno", None), getattr(error, "msg", str(error))
        raise CodegenError(f"line {where or '?'}: the code does not parse: {what}") from error
    names: set[str] = set()
    for table in tables:  # grows while it is walked
        tables.extend(table.get_children())
        is_top = table.get_type() == "module"
        names |= {
            item.get_name() for item in table.get_symbols() if item.is_referenced() and (is_top or item.is_global())
        }
    return tree, {name for name in names if not hasattr(builtins, name)}


def _needed(names: set[str], defined: set[str]) -> list[_Block]:
    """Return the blocks among `names` and all that those need, in their order, without what is `defined`."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in _blocks() and name not in reached and name not in defined:
            reached.add(name)
            waiting.extend(_blocks()[name].uses)
    return [block for name, block in _blocks().items() if name in reached]


def _as_usual(item: Import) -> Import:
    """Return an import in the form that other files have it in, if there is one."""
    if item.name is None and item.alias is None:
        return item
    return next((usual for usual in _USUAL if usual.bound == item.bound and _meaning(usual) == _meaning(item)), item)


def _meaning(item: Import) -> str:
    """Return the full name of what an import binds."""
    if item.name is not None:
        return f"{item.module}.{item.name}"
    return item.module if item.alias else item.bound


def _compatible(needed: frozenset[Import], imports: set[Import]) -> frozenset[Import]:
    """Return what a block needs; none of it may bind a name to something else than `imports` do."""
    for item in needed:
        if any(other.bound == item.bound and _meaning(other) != _meaning(item) for other in imports):
            raise CodegenError(f"the code imports something else as {item.bound}: give that import another name")
    return needed


@cache
def _blocks() -> dict[str, _Block]:
    """Return what can be inlined, by name."""
    found: dict[str, _Block] = {}
    for file in _FILES:
        text = (_COMPONENTS / file).read_text(encoding="utf-8")
        lines, tree = text.splitlines(), ast.parse(text)
        statements = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        imports = [item for node in statements for item in read_imports(node)]
        imports = [item for item in imports if not item.module.startswith("neuramosaic")]
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.Assign)):
                uses = frozenset(item.id for item in ast.walk(node) if isinstance(item, ast.Name))
                own = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                block = _Block(own, node, frozenset(item for item in imports if item.bound in uses), uses)
                found |= dict.fromkeys(_defined(node), block)
    return found


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()
