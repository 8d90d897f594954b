"""A component in a file of a person's own, or in a text: read and parsed here, never run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from neuramosaic.components.card import Card
from neuramosaic.components.spec import ComponentSpec, CostClass, Provenance, Slot
from neuramosaic.errors import UnknownNameError, UsageError


def read_component(
    path: Path,
    card: Card | None = None,
    *,
    slot: str | None = None,
    class_name: str | None = None,
    name: str | None = None,
) -> tuple[ComponentSpec, Card]:
    """Read a component from a file.

    Args:
        path: A Python file with the component's class.
        card: What it is to be. Without one it has no hyper-parameters, claims nothing, and counts as quadratic in T.
        slot: Its slot; without a card, "mixer" if not given.
        class_name: Class in the file; its only `nn.Module` if not given.
        name: Its name; without a card, the class's name in snake case if not given.

    Returns:
        The component, not yet counted, and its card.

    Raises:
        UnknownNameError: If there is no such slot, or no such class in the file.
        UsageError: If the file cannot be read or is no Python, it is not clear which class is meant, or the card says
            otherwise.
    """
    if slot is not None and slot not in tuple(Slot):
        raise UnknownNameError("slot", slot, map(str, Slot))
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    found = _class(source, str(path), class_name)
    if card is None:
        card = Card.from_mapping(
            {
                "name": name or _snake_case(found.name),
                "slot": slot or "mixer",
                "summary": _summary(found, path),
                "cost": CostClass.QUADRATIC,  # the loosest: a file by itself declares nothing
            },
            where=str(path),
        )
    for option, said, written in (("--slot", slot, str(card.slot)), ("--name", name, card.name)):
        if said is not None and said != written:
            raise UsageError(f"{option} says {said!r}, the card says {written!r}: leave the option out")
    return _spec(source, found, card, Provenance.OWN), card


def parse_component(
    source: str, card: Card, *, where: str, class_name: str | None = None, provenance: Provenance = Provenance.OWN
) -> ComponentSpec:
    """Return the component that a text and its card describe, not yet counted.

    Args:
        source: The text of a Python file with the component's class.
        card: What it is to be.
        where: What to call the text in messages.
        class_name: Class in the text; its only `nn.Module` if not given.
        provenance: Where the text came from.

    Raises:
        UnknownNameError: If there is no such class.
        UsageError: If it is no Python, or it is not clear which class is meant.
    """
    return _spec(source, _class(source, where, class_name), card, provenance)


def _spec(source: str, node: ast.ClassDef, card: Card, provenance: Provenance) -> ComponentSpec:
    uses_position = card.slot is Slot.MIXER and _takes_position(node)
    return card.spec(source, node.name, provenance=provenance, uses_position=uses_position)


def _class(source: str, where: str, name: str | None) -> ast.ClassDef:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line, what = getattr(error, "lineno", "?"), getattr(error, "msg", error)
        raise UsageError(f"{where} is not Python: line {line}: {what}") from error
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if name is not None:
        for node in classes:
            if node.name == name:
                return node
        raise UnknownNameError(f"class in {where}", name, (node.name for node in classes))
    modules = [node for node in classes if any(ast.unparse(base).endswith("Module") for base in node.bases)]
    if len(modules) != 1:
        raise UsageError(f"{where} has {len(modules)} classes that derive from nn.Module: say which with --class")
    return modules[0]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _summary(node: ast.ClassDef, path: Path) -> str:
    """Return the first line of the class's docstring, if it has one."""
    lines = (ast.get_docstring(node) or "").strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else f"{node.name} of {path.name}"


def _takes_position(node: ast.ClassDef) -> bool:
    return any(
        argument.arg == "position"
        for item in node.body
        if isinstance(item, ast.FunctionDef) and item.name == "__init__"
        for argument in (*item.args.args, *item.args.kwonlyargs)
    )
