"""What the rule reads in a card's equations: whether they make a component by themselves, and which function it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.writer.candidate import from_equations
from neuramosaic.codegen.sketch.vocabulary import is_known
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Provenance

#: A call of a function with a name of several letters, or its definition; no map such as W_q and no sum.
_CALL = re.compile(r"(?<![\w\\])([A-Za-z][a-z]\w*)(?=\((?:[a-z]\)\s*(=))?)")
_OF_NOTATION = frozenset({"sum", "in", "softmax", "of", "to", "and", "with", "where", "for", "min", "max", "mean"})
_UNUSED = re.compile(r"the hyper-parameter (\w+) is never used")
_LEFT = re.compile(r"([^=\n;]*?)=")
#: A clause that says of symbols that they are learned, and the word before it: `a learned scale p`, `p: learned`.
_LEARNED = re.compile(r"[^,;\n]*\blearned\b[^,;\n]*")
_FORMULA = re.compile(r"[^=]*=[^,;]*(?:,(?! ?(?:per|each|one|with|where|in|is|an?)\b)[^,;]*)*")
_NAME = re.compile(r"(?<![\w.])(?!W_|U_|V_|w_)([A-Za-z]\w*?)(_t|_s|_\((?=t))?(?!\w)")
_SIZES = frozenset(
    {
        "D",
        "d",
        "T",
        "t",
        "s",
        "hd",
        "I",
        "d_model",
        "head",
        "heads",
        "head_dim",
        "expansion",
        "eps",
        "where",
        "elsewhere",
    }
)
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda lam mu nu xi pi rho sigma tau phi chi psi omega".split()
)
_NOTHING_READ = "they hold no equation that is an expression, such as `y_t = W_o (h_t * sigmoid(W_g x_t))`"


@dataclass(frozen=True)
class Reading:
    """What the rule makes of a card. Nothing of it is executed.

    Attributes:
        function: The compiled code in a form that does not depend on the names in it; empty if there is none.
        problem: Why there is none, a line for people and for a model; empty if there is one.
    """

    function: str
    problem: str

    @property
    def readable(self) -> bool:
        """Whether the equations make a component by themselves."""
        return not self.problem


def read_card(card: Card) -> Reading:
    """Read a card's equations by rule and compile them.

    A function that nobody knows is none: the compiler might take `sharpen(k_t)` for a product with a learned number.
    """
    unknown = _unknown_function(card.equations)
    if unknown is not None:
        return Reading("", f"there is no function {unknown}(...): write what it computes")
    candidate = from_equations(card, Provenance.DESIGNED)
    if candidate is None:
        return Reading("", _NOTHING_READ)
    if candidate.failure is not None or candidate.component is None:
        return Reading("", candidate.failure.message if candidate.failure else _NOTHING_READ)
    return Reading(_without_names(candidate.component.source, candidate.component.class_name), "")


def complete(card: Card) -> tuple[Card, Reading]:
    """Return a card without the hyper-parameters that its equations do not use, and how it reads then."""
    reading = read_card(card)
    while (unused := _UNUSED.search(reading.problem)) is not None:
        kept = [item for item in card.hyperparameters if item.name != unused[1]]
        card = card.model_copy(update={"hyperparameters": kept})
        reading = read_card(card)
    return card, reading


def undefined(card: Card) -> str | None:
    """Return a symbol of a card's equations that nothing defines or explains, or None.

    The compiler makes a learned number of it: right for `p`, wrong for `gate` or `c_t`.
    """
    text = "\n".join(card.equations)
    defined = {name for left in _LEFT.findall(text) for name in re.findall(r"[A-Za-z]\w*", left)}
    defined = {re.sub(r"_\(?[tshij]$", "", name) for name in defined} | {"x", "y"}
    defined |= {item.name for item in card.hyperparameters} | _SIZES
    defined |= {name for clause in _LEARNED.findall(text) for name in re.findall(r"[A-Za-z]\w*", clause)}
    for line in card.equations:
        formula = _FORMULA.search(line)
        if formula is None:
            continue
        for found in _NAME.finditer(formula[0].partition("=")[2]):
            name, index = found[1].rstrip("_"), found[2]
            if name in defined or is_known(name) or name in _OF_NOTATION or name.lower() in _GREEK:
                continue
            if index or len(name.partition("_")[0]) > 2:
                return found[0].removesuffix("_(")
    return None


def _unknown_function(equations: Sequence[str]) -> str | None:
    """Return a function that the equations call, and that is neither known nor defined by them."""
    calls = [found for line in equations if "=" in line for found in _CALL.finditer(line)]
    defined = {found[1] for found in calls if found[2]}
    for found in calls:
        name = found[1] if is_known(found[1]) else found[1].partition("_")[0]  # softmax_s, sum_
        if found[1] not in defined and not is_known(name) and name not in _OF_NOTATION:
            return found[1]
    return None


def _without_names(source: str, class_name: str) -> str:
    """Return a class's code with its own names numbered in the order in which they come.

    Every definition is put where its name is used, so that intermediate names make no difference.
    """
    tree = ast.parse(source)
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name]
    forward = next(item for item in cls.body if isinstance(item, ast.FunctionDef) and item.name == "forward")
    made = {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in ast.walk(cls)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
    }
    values: dict[str, ast.expr] = {}
    body: list[ast.stmt] = []
    for statement in forward.body:
        statement = _Inline(values).visit(statement)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = value
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                body.append(statement)
    numbered = _Numbered(made)
    return "\n".join(ast.unparse(numbered.visit(statement)) for statement in body)


class _Inline(ast.NodeTransformer):
    """Puts the values of names where they are used."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._values.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


class _Numbered(ast.NodeTransformer):
    """Numbers the parameters of a class, each with what it is made of."""

    def __init__(self, made: dict[str, str]) -> None:
        self._made = made
        self._names: dict[str, str] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        text = ast.unparse(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            number = self._names.setdefault(text, f"p{len(self._names)}")
            return ast.Name(f"{number}[{self._made.get(text, '')}]")
        return self.generic_visit(node)
