"""What parts of equations mean: Python for a sketch, and what it depends on."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from neuramosaic.codegen.sketch.equations.tokens import NotReadError


@dataclass(frozen=True)
class Term:
    """The meaning of a part of an equation.

    Attributes:
        node: How a sketch writes it.
        kind: number, vector (learned, per channel), per_head, sequence, pair (of positions), map (a matrix that is
            applied), outer (a product of two vectors), or taps (one per step of a convolution).
        place: Where it stands: `q` at the position of the output, `k` at the one that is summed over, nothing for what
            has no position.
        transposed: Whether it is a row.
        parts: For an outer product its two vectors; for a softmax over positions its logits; for maps their names.
        heads: Whether it is split into heads.
        window: For weights: how many positions they go back.
    """

    node: ast.expr
    kind: str
    place: str = ""
    transposed: bool = False
    parts: tuple[Term, ...] = ()
    heads: bool = False
    window: ast.expr | None = None
    role: str = ""

    def written(self, node: ast.expr) -> Term:
        """Return a term of the same kind, written otherwise."""
        role = self.role if self.role in ("numbers", "positions") else ""
        return replace(self, node=node, parts=(), role=role)


def called(name: str, *arguments: Term | ast.expr) -> ast.expr:
    """Return a call of a sketch's function."""
    return ast.Call(ast.Name(name), [item.node if isinstance(item, Term) else item for item in arguments], [])


def python(text: str) -> ast.expr:
    """Return an expression of Python."""
    return ast.parse(text, mode="eval").body


def number(text: str) -> Term:
    """Return a number."""
    return Term(python(text), "number")


_SIGNS: dict[str, type[ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "^": ast.Pow,
}  # fmt: skip


def combined(sign: str, a: Term, b: Term) -> Term:
    """Return two terms with a sign between them, element by element.

    Raises:
        NotReadError: If one of them has no elements.
    """
    for term in (a, b):
        if term.kind not in ("number", "per_head", "vector", "sequence", "pair"):
            raise NotReadError(f"{sign} with a matrix, which is read in products alone")
    if sign == "*" and _is_one(a):
        return b
    if sign in ("*", "/") and _is_one(b):
        return a
    places = {a.place, b.place} - {""}
    kind = wider(a.kind, b.kind)
    if places >= {"q", "k"} and "pair" not in (a.kind, b.kind):
        a, b, kind = paired(a), paired(b), "pair"
    if kind == "pair" and (a.kind, b.kind) != ("pair", "pair"):
        a, b = paired(a), paired(b)
    place = "" if kind == "pair" else next(iter(places - {"*"}), next(iter(places), ""))
    along = [term for term in (a, b) if term.kind in ("sequence", "vector")]
    roles = {term.role if term.role in ("numbers", "positions") else "" for term in along}
    role = roles.pop() if len(roles) == 1 and kind == "sequence" else ""
    return Term(
        ast.BinOp(a.node, _SIGNS[sign](), b.node), kind, place,
        transposed=a.transposed or b.transposed, heads=a.heads or b.heads, role=role,
    )  # fmt: skip


def paired(term: Term) -> Term:
    """Return a term as it stands among pairs of positions: of a sequence, one number per head.

    Raises:
        NotReadError: If it is a vector there.
    """
    if term.kind in ("pair", "number", "per_head"):
        return term
    if term.kind == "sequence" and term.role == "numbers":
        return Term(called("of_key" if term.place == "k" else "of_query", term), "pair")
    if term.kind == "sequence" and term.role == "positions":
        return Term(term.node, "pair") if term.place != "k" else Term(python("positions_of_key()"), "pair")
    raise NotReadError(f"{ast.unparse(term.node)}, a vector among pairs of positions")


def wider(a: str, b: str) -> str:
    """Return the kind of two terms together."""
    order = ("number", "per_head", "vector", "sequence", "pair")
    return max(a, b, key=order.index)


def _is_one(term: Term) -> bool:
    return isinstance(term.node, ast.Constant) and term.node.value in (1, 1.0) and term.kind == "number"
