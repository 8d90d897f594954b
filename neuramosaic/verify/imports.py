"""The import allow-list, on the syntax tree: nothing is executed.

It keeps model code to what a model needs. It is no wall: what holds hostile code is the sandbox.
"""

from __future__ import annotations

import ast

from neuramosaic.verify.report import CheckFailed

_STANDARD = ("__future__", "collections.abc", "dataclasses", "functools", "math", "typing")
_TORCH = ("torch", "torch.autograd", "torch.fft", "torch.func", "torch.linalg", "torch.nn", "torch.special")
ALLOWED_IMPORTS = (*_STANDARD, *_TORCH)

_FORBIDDEN_CALLS = {"__import__", "breakpoint", "compile", "eval", "exec", "globals", "input", "open"}
_FORBIDDEN_TORCH = {
    "classes", "compile", "cpp_extension", "distributed", "hub", "jit", "library", "load", "multiprocessing", "ops",
    "save", "set_num_threads", "set_default_dtype", "set_default_device", "manual_seed",
}  # fmt: skip


def check_imports(source: str) -> None:
    """Check that `source` parses and imports only what a model needs.

    Raises:
        CheckFailed: Naming the line and what to write instead.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where, what = getattr(error, "lineno", "?"), getattr(error, "msg", error)
        raise CheckFailed(f"line {where}: the code does not parse: {what}; fix the syntax") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _check_module(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            _check_import_from(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FORBIDDEN_CALLS:
            raise CheckFailed(f"line {node.lineno}: {node.func.id}() has no place in a model; remove it")
        elif isinstance(node, ast.Attribute):
            _check_attribute(node)


def _check_import_from(node: ast.ImportFrom) -> None:
    if node.level:
        raise CheckFailed(f"line {node.lineno}: a relative import does not work in a standalone file; define it here")
    module = node.module or ""
    for alias in node.names:
        if module == "torch" and alias.name in _FORBIDDEN_TORCH:
            raise CheckFailed(f"line {node.lineno}: torch.{alias.name} has no place in a model; remove it")
    _check_module(module, node.lineno)


def _check_module(module: str, line: int) -> None:
    if module in ALLOWED_IMPORTS or module.startswith("torch.nn."):
        return
    raise CheckFailed(
        f"line {line}: import of {module!r} is not allowed; a model may import only {', '.join(_STANDARD)} "
        "and torch (torch.nn, torch.fft, torch.linalg ...)"
    )


def _check_attribute(node: ast.Attribute) -> None:
    if isinstance(node.value, ast.Name) and node.value.id == "torch" and node.attr in _FORBIDDEN_TORCH:
        raise CheckFailed(f"line {node.lineno}: torch.{node.attr} has no place in a model; remove it")
    if node.attr in ("__subclasses__", "__globals__", "__builtins__", "__loader__"):
        raise CheckFailed(f"line {node.lineno}: .{node.attr} has no place in a model; remove it")
