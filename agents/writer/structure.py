"""What the equations of a card and the forward pass of a class are made of, so that one can be held against the other.

Of an equation that cannot be parsed nothing is said, and of a class only what its text shows beyond doubt.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from neuramosaic.codegen.sketch.equations.declared import declared
from neuramosaic.codegen.sketch.equations.names import function
from neuramosaic.codegen.sketch.equations.statements import definitions
from neuramosaic.codegen.sketch.equations.states import decays
from neuramosaic.codegen.sketch.equations.syntax import (
    Call,
    Joined,
    Node,
    Number,
    Operation,
    Over,
    Statement,
    Symbol,
    Transpose,
    walk,
)
from neuramosaic.codegen.sketch.equations.tokens import NotReadError
from neuramosaic.components.card import Card

_NO_SYMBOLS = frozenset("x X T I S D K N M H R d t s i j h n l e pi eps epsilon".split())
#: Functions of which the text of a class shows whether it has them.
GATES = frozenset("sigmoid tanh relu gelu silu softplus elu".split())
#: How a class may write a function, besides by its name.
SPELT = {
    "sigmoid": {"sigmoid", "silu", "swish", "logsigmoid", "softplus"}, "silu": {"silu", "swish", "sigmoid"},
    "softplus": {"softplus", "logsigmoid", "exp"}, "elu": {"elu", "where", "exp"}, "relu": {"relu", "clamp", "maximum"},
    "gelu": {"gelu", "erf", "tanh"}, "tanh": {"tanh", "sigmoid"},
}  # fmt: skip
_SCANS = {"linear_scan": 0, "matrix_scan": 3, "delta_scan": 4, "kernel_attention": 3}


@dataclass(frozen=True)
class CardStructure:
    """What a card's equations say.

    Attributes:
        functions: Gates that a name's definition applies itself, by name.
        all_functions: Gates that it applies, or that what it is made of does.
        decays: For each state whether what the one before is multiplied by depends on the input; None where nothing is.
        learned: Names of learned maps and vectors.
        sums: Whether anything is summed over positions, or a state.
        complete: Whether every equation could be parsed.
    """

    functions: dict[str, frozenset[str]]
    all_functions: dict[str, frozenset[str]]
    decays: dict[str, bool | None]
    learned: frozenset[str]
    sums: bool
    complete: bool


def card_structure(card: Card) -> CardStructure:
    """Return what a card's equations say, as far as they can be parsed."""
    hyperparameters = frozenset(item.name for item in card.hyperparameters)
    found, complete = definitions(card.equations, hyperparameters)
    rights: dict[str, list[Node]] = {}
    functions_of: dict[str, tuple[Node, ...]] = {}
    for statement in found:
        if statement.parameters:
            functions_of[_name(statement.left[0])] = statement.right
            continue
        for name, right in _pairs(statement):
            rights.setdefault(name, []).append(right)
    own = {name: _gates(parts, functions_of) for name, parts in rights.items()}
    whole = {name: frozenset(_closure(name, rights, own)) for name in rights}
    return CardStructure(
        own, whole, _decays(found, rights), _learned(card, found, rights, functions_of), _sums(found), complete
    )


def _pairs(statement: Statement) -> Iterable[tuple[str, Node]]:
    rights = statement.right if len(statement.right) == len(statement.left) else statement.right * len(statement.left)
    for left, right in zip(statement.left, rights, strict=True):
        for item in left.items if isinstance(left, Joined) else (left,):
            yield _name(item), right


def _name(node: Node) -> str:
    while isinstance(node, (Call, Transpose)):
        node = node.arguments[0] if isinstance(node, Call) else node.inner
    return node.name if isinstance(node, Symbol) else ""


def _gates(parts: Iterable[Node], functions_of: dict[str, tuple[Node, ...]]) -> frozenset[str]:
    found: set[str] = set()
    for item in (inner for part in parts for inner in walk(part)):
        if isinstance(item, Call):
            found.add(function(item.name) or item.name)
        elif isinstance(item, Symbol) and item.name == "sigma" and not item.indices:
            found.add("sigmoid")
        elif isinstance(item, Symbol) and item.name in functions_of:
            found |= _gates(functions_of[item.name], {})
    return frozenset(found)


def _closure(name: str, rights: dict[str, list[Node]], own: dict[str, frozenset[str]]) -> set[str]:
    seen, open_names, found = {name}, [name], set[str]()
    while open_names:
        here = open_names.pop()
        found |= own.get(here, frozenset())
        for item in (inner for part in rights.get(here, []) for inner in walk(part)):
            if isinstance(item, Symbol) and item.name in rights and item.name not in seen:
                seen.add(item.name)
                open_names.append(item.name)
    return found


def _decays(found: list[Statement], rights: dict[str, list[Node]]) -> dict[str, bool | None]:
    states: dict[str, bool | None] = {}
    for statement in found:
        for name, right in _pairs(statement):
            try:
                factors = decays(name, right)
            except NotReadError:
                continue
            if factors is not None:
                states[name] = _depends_any(factors, rights, {name}) if factors else None
    return states


def _depends_any(nodes: Iterable[Node], rights: dict[str, list[Node]], seen: set[str]) -> bool:
    """Whether any part depends on the input."""
    for item in (inner for node in nodes for inner in walk(node)):
        if not isinstance(item, Symbol):
            continue
        if item.name in ("x", "X"):
            return True
        if item.name in rights and item.name not in seen:
            seen = seen | {item.name}
            if _depends_any(rights[item.name], rights, seen):
                return True
    return False


def _learned(
    card: Card, found: list[Statement], rights: dict[str, list[Node]], functions_of: dict[str, tuple[Node, ...]]
) -> frozenset[str]:
    """Return the names of maps, and of what the words call learned, that equations use."""
    said = declared(card.equations, [item.name for item in card.hyperparameters]).kinds
    none = _NO_SYMBOLS | {item.name for item in card.hyperparameters} | set(rights) | set(functions_of)
    names: set[str] = set()
    for statement in found:
        for part in statement.right:
            for item in walk(part):
                if not isinstance(item, Symbol) or item.name in none or item.name in statement.parameters:
                    continue
                labels = [
                    index.name if isinstance(index, Symbol) else getattr(index, "text", "") for index in item.indices
                ]
                if any(not isinstance(index, (Symbol, Number)) for index in item.indices):
                    continue
                key = "_".join([item.name, *(label for label in labels if label not in ("t", "s", "h"))])
                if item.name in ("W", "U", "V") or key in said or item.name in said:
                    names.add(key)
    return frozenset(names)


def _sums(found: list[Statement]) -> bool:
    return any(
        (isinstance(item, (Over, Call)) and (isinstance(item, Over) or item.name in ("softmax", "cumsum", "mean")))
        or (isinstance(item, Symbol) and any(isinstance(index, Operation) for index in item.indices))
        for statement in found
        for part in statement.right
        for item in walk(part)
    )  # fmt: skip


# -- the class ---------------------------------------------------------------------------------------------------------


@dataclass
class CodeStructure:
    """What a class's forward pass does.

    Attributes:
        functions: Functions that the values of a name, or what they are made of, went through.
        decays: For each scan whether its decay depends on the input; None where it has none.
        learned: How many maps and vectors it learns, at least as many as there are.
        own: Functions that a name's own line applies.
        scans: Names of the scans that it calls.
    """

    functions: dict[str, set[str]] = field(default_factory=dict)
    own: dict[str, set[str]] = field(default_factory=dict)
    decays: list[bool | None] = field(default_factory=list)
    learned: int | None = None
    scans: set[str] = field(default_factory=set)


def code_structure(source: str) -> CodeStructure:
    """Return what a class does, from its text."""
    tree = ast.parse(source)
    forwards = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "forward"]
    found = CodeStructure()
    if len(forwards) != 1:
        return found
    data = {argument.arg for argument in forwards[0].args.args[1:]}
    for statement in forwards[0].body:
        names = _assigned(statement)
        value = getattr(statement, "value", None)
        if not isinstance(value, ast.expr):
            continue
        for call in (node for node in ast.walk(value) if isinstance(node, ast.Call)):
            _scan(call, data, found)
        functions, direct = _functions(value, found.functions), _functions(value, {})
        for name in names:
            found.functions[name] = functions
            found.own[name] = direct
        if _depends(value, data):
            data |= set(names)
        else:
            data -= set(names)
    found.learned = _count_learned(tree)
    return found


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        nodes = [item for target in statement.targets for item in ast.walk(target)]
        return [item.id.rstrip("_") for item in nodes if isinstance(item, ast.Name)]
    return ["return"] if isinstance(statement, ast.Return) else []


def _functions(value: ast.expr, known: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            found.add(name)
        elif isinstance(node, ast.Name):
            found |= known.get(node.id.rstrip("_"), set())
    return found


def _scan(call: ast.Call, data: set[str], found: CodeStructure) -> None:
    name = ast.unparse(call.func)
    if name in ("running_mean", "running_weighted_mean", "causal_softmax", "causal_attention", "windowed_attention"):
        found.scans.add(name)
    if name not in _SCANS:
        return
    found.scans.add(name)
    place = _SCANS[name]
    given = [item.value for item in call.keywords if item.arg == "log_decay"]
    decay = call.args[place] if len(call.args) > place else given[0] if given else None
    found.decays.append(None if decay is None else _depends(decay, data))


def _depends(node: ast.AST, data: set[str]) -> bool:
    """Whether a value depends on the input's values, and not on its shape alone."""
    if isinstance(node, ast.Attribute) and node.attr in ("shape", "device", "dtype"):
        return False
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name.startswith("new_") or name in ("zeros_like", "ones_like", "size", "key_distance"):
            return False
        if name in ("full_like", "expand_as", "type_as", "to", "view_as"):
            first = node.func.value if isinstance(node.func, ast.Attribute) and name != "full_like" else None
            rest = node.args[1:] if name == "full_like" else []
            return any(_depends(item, data) for item in (*([first] if first is not None else []), *rest))
    if isinstance(node, ast.Name):
        return node.id.rstrip("_") in data or node.id in data
    return any(_depends(item, data) for item in ast.iter_child_nodes(node))


def _count_learned(tree: ast.AST) -> int | None:
    """Return how many maps and vectors a class learns; None if its text does not show it."""
    text = ast.unparse(tree)
    if re.search(
        r"ModuleList|ParameterList|Sequential|Conv1d|MultiheadAttention|GRU|LSTM|\[[^\]]*:[^\]]*\]|\.split\(", text
    ):
        return None
    count = len(re.findall(r"nn\.Parameter\(", text)) + len(re.findall(r"nn\.(?:LayerNorm|RMSNorm|Embedding)\(", text))
    count += sum(1 if "bias=False" in item else 2 for item in re.findall(r"nn\.Linear\([^\n]*", text))
    for parts in re.findall(r"\.chunk\((\d+)", text):
        count += int(parts) - 1
    return (
        count
        if not re.search(r"\.unflatten\(|\.chunk\((?!\d)|einsum", re.sub(r"split_heads|merge_heads", "", text))
        else None
    )
