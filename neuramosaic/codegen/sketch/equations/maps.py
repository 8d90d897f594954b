"""Learned maps among factors: which vectors they are applied to, and from which side."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations.context import Context, Known
from neuramosaic.codegen.sketch.equations.products import multiplied, outer, plain
from neuramosaic.codegen.sketch.equations.symbols import Symbols
from neuramosaic.codegen.sketch.equations.syntax import Statement, Symbol
from neuramosaic.codegen.sketch.equations.terms import Term, called, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError


class Maps(Symbols):
    """Applies maps to what stands behind them, or before."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        self._transposed: dict[str, bool] = {}
        self._sides: set[str] = set()

    def _chained(self, terms: list[Term], context: Context) -> Term:
        """Apply the maps among factors to what stands behind them, or before, and multiply the rest."""
        last = len(terms)
        while last and terms[last - 1].kind == "map":
            last -= 1
        if 0 < last < len(terms):  # x W: rows before maps
            value = self._chained(terms[:last], context)
            for matrix in terms[last:]:
                value = self._mapped(matrix, value, context, from_right=True)
            return value
        left: list[Term] = []
        pending: list[Term] = []
        for term in reversed(terms):  # maps are applied to the vector that stands right behind them
            if term.kind == "map":
                if (left and _is_scalar(left[0])) or (left and left[0].kind in ("state", "pair", "weighted")):
                    left = [multiplied(left)]
                if left and left[0].kind == "sequence" and not left[0].transposed:
                    left[0] = self._mapped(term, left[0], context)
                else:
                    pending.insert(0, term)
                continue
            if pending:
                raise NotReadError("a map that is applied to no vector")
            left.insert(0, term)
        if pending and left:
            raise NotReadError("a map that is applied to no vector")
        if not left:
            names = tuple(part for term in pending for part in (term.parts or (term,)))
            return Term(pending[0].node, "map", parts=names)
        if context.state and _is_matrix_name(context.statement):
            rows = [place for place, term in enumerate(left) if term.kind == "sequence" and term.role != "numbers"]
            if len(rows) == 2 and rows[1] == rows[0] + 1 and left[rows[0]].transposed and not left[rows[1]].transposed:
                first, second = rows  # k^T v of vectors that are rows
                left[first : second + 1] = [outer(plain(left[first]), replace(left[second], transposed=True))]
        return multiplied(left)

    def _mapped(self, matrix: Term, value: Term, context: Context, from_right: bool = False) -> Term:
        parts = matrix.parts or (matrix,)
        for one in parts if from_right else reversed(parts):
            if value.kind != "sequence":
                raise NotReadError("a map of what is no sequence")
            if value.role == "numbers":
                raise NotReadError("a map of one number")
            name = ast.unparse(one.node)
            if self._transposed.setdefault(name, one.transposed) != one.transposed:
                raise NotReadError(f"{name}, a map and its transpose")
            if not value.transposed and not one.transposed and not self._is_said_matrix(name):
                self._sides.add("right" if from_right else "left")
                if len(self._sides) > 1:
                    raise NotReadError(f"{name}, a map on the other side of a vector than the maps before")
            value = self.applied(name, value, context, from_right=from_right != one.transposed)
        return value

    def _is_said_matrix(self, name: str) -> bool:
        """Whether words say that a map is a matrix, so that it stands on the side that they size it for."""
        said = {key for key, kind in self.known.declared.kinds.items() if kind == "matrix"}
        bare = name.removesuffix("_per_head")
        return bare in said or bare.removesuffix("_h").removeprefix("W_") in {key.removeprefix("W_") for key in said}

    def applied(self, name: str, value: Term, context: Context, *, from_right: bool = False) -> Term:
        """Return a learned map, by its name, of a sequence; `from_right` for `x W`."""
        is_outer = re.search(r"\b(?:[WUV](?:_\w+)?|[wu]_\w+|linear)\(", ast.unparse(value.node)) is not None
        size = self.known.map_size(name, context, from_right, is_outer)
        if name.endswith("_per_head") and value.heads:
            self.known.once(f"the map {name}")
            if size is None:
                size = "head_dim"
            node = called("linear_per_head", value, python(size.replace("inner", "head_dim")))
            return Term(node, "sequence", value.place, heads=True, transposed=value.transposed)
        node = called(name, plain(value), *([python(size)] if size else []))
        numbers = size in ("heads", "1")
        is_output = context.depth == 0 and _is_output(context.statement)
        of_head = name.endswith("_per_head") or (context.per_head and not is_output and not context.whole)
        if of_head and self.known.has_heads and not numbers:
            node = called("split_heads", node)
        of_head = of_head and not numbers
        return Term(node, "sequence", value.place, heads=of_head, role="numbers" if numbers else "",
                    transposed=value.transposed)  # fmt: skip


def _is_scalar(term: Term) -> bool:
    return term.kind in ("number", "per_head") or term.role in ("numbers", "positions")


def _is_matrix_name(statement: Statement | None) -> bool:
    """Whether a definition's name is that of a matrix, a capital."""
    return statement is not None and isinstance(statement.left[0], Symbol) and statement.left[0].name[:1].isupper()


def _is_output(statement: Statement | None) -> bool:
    return statement is not None and any(
        isinstance(item, Symbol) and item.name in ("y", "Y") for item in statement.left
    )
