"""Sizes of learned maps, from what the words behind equations say."""

from __future__ import annotations

import ast
import re

from neuramosaic.codegen.sketch.equations.context import Context
from neuramosaic.codegen.sketch.equations.declared import Declared, size
from neuramosaic.codegen.sketch.equations.syntax import Joined, Number, Operation, Symbol
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

_NUMBER_PER_HEAD = re.compile(
    r"\b(?:one|a) (?:number|scalar|value|gate) (?:per|for each|for every) head|\bscalar per head"
)
_HIDDEN = re.compile(
    r"\b(?:with|of|has|have|,)\s+([\w */+()\\]+?) hidden (?:units|elements|channels|features|size|dimensions)"
)
_ELEMENTS = re.compile(
    r"(?:each of|each with|with|has|have|of|,)\s+([\w */+()]+?) (?:elements|units|channels|features)(?! per (?!head))"
)
_TAPS = re.compile(r"(\d+)[- ]taps?|kernel (?:size |of |width )?(\d+)|width (\d+)|last (\d+) (?:positions|tokens)")
_EXPANSIONS = ("expansion", "expand", "ratio", "mult", "multiplier", "hidden_mult", "expansion_factor")
POSITIONS = frozenset(["t", "i", "n", "s", "j", "tau", "m"])
"""Names that equations give to positions."""


class Sizes:
    """Knows the sizes that a card says.

    Args:
        hyperparameters: Names of its hyper-parameters.
        declared: What its words declare.
        text: Its summary and its equations.
    """

    def __init__(self, hyperparameters: frozenset[str], declared: Declared, text: str) -> None:
        self.hyperparameters, self.declared = hyperparameters, declared
        self.has_heads = "heads" in hyperparameters
        self._text = text
        self._maps: dict[str, str | None] = {}

    def map_size(self, name: str, context: Context, from_right: bool, is_outer: bool) -> str | None:
        """Return the size that a map is said to have."""
        if name not in self._maps:
            self._maps[name] = self._said_size(name, context, from_right, is_outer)
        return self._maps[name]

    def _said_size(self, name: str, context: Context, from_right: bool, is_outer: bool) -> str | None:
        bare = name.removesuffix("_per_head")
        own = next((sizes for key, sizes in self.declared.sizes.items() if _map_key(key) == bare), None)
        if own is not None:
            said = own[-1] if from_right else own[0]
            return "inner" if self.has_heads and said == "head_dim" and not name.endswith("_per_head") else said
        remark = context.remark
        statement = context.statement
        left = statement.left[0] if statement is not None and len(statement.left) == 1 else None
        if isinstance(left, Symbol) and not context.depth and not context.bound:
            if self.declared.kinds.get(defined_name(left)) == "unknown":
                raise NotReadError(f"{left.name}, of a size that nothing says")
            if len(of_left := self.declared.sizes.get(defined_name(left), ())) == 1:  # h in R^{4D}
                return of_left[0].replace("head_dim", "inner") if self.has_heads else of_left[0]
        if _NUMBER_PER_HEAD.search(remark):
            return "heads" if self.has_heads else "1"
        for place in range(len(remark)):
            hidden = _HIDDEN.match(remark, place)
            if hidden and (found := size(hidden[1], self.hyperparameters)):
                return found if context.depth or not is_outer else None
        elements = self._elements(remark)
        if elements and not context.depth:
            found = elements
            if statement is not None:
                count = (
                    next((len(item.items) for item in statement.left if isinstance(item, Joined)), 1)
                    if statement
                    else 1
                )
                found = found.replace("head_dim", "inner") if self.has_heads else found
                return found if count == 1 else f"{count} * {found}"
        if statement is not None and any(isinstance(item, Joined) for item in statement.left):
            count = next(len(item.items) for item in statement.left if isinstance(item, Joined))
            return f"{count} * inner" if context.per_head else f"{count} * d_model"
        if statement is not None and len(statement.right) == 1 < len(statement.left):
            return f"{len(statement.left)} * " + ("inner" if context.per_head else "d_model")
        if bare[:1].islower():
            return "heads" if self.has_heads else "1"
        return self._unsaid(context)

    def _elements(self, remark: str) -> str | None:
        """Return the number of elements that a remark says a value has."""
        for place in range(len(remark)):
            said = _ELEMENTS.match(remark, place)
            if said and (found := size(said[1], self.hyperparameters)):
                return found if re.search(r"\blearn(?:ed|able)\b[^;]*$", remark[:place]) is None else None
        return None

    def _unsaid(self, context: Context) -> str | None:
        """Return the size of a hidden map where the card has a hyper-parameter for it and says no more."""
        named = [item for item in _EXPANSIONS if item in self.hyperparameters]
        said = re.sub(r"(?i)\btop[_-]?k\([^()]*\)", "", self._text)  # how many are kept says no size
        if not named or re.search(rf"\b{named[0]}\b", said):
            return None
        is_output = (
            any(isinstance(item, Symbol) and item.name in ("y", "Y") for item in context.statement.left)
            if (context.statement)
            else False
        )
        return None if is_output and not context.depth else f"{named[0]} * d_model"

    def taps(self, context: Context) -> ast.expr | None:
        """Return the number of taps that a convolution without one has."""
        named = [
            item for item in ("kernel", "taps", "width", "kernel_size", "conv_width") if item in self.hyperparameters
        ]
        if named:
            return ast.Name(named[0])
        said = _TAPS.search(context.remark) or _TAPS.search(self._text)
        return ast.Constant(int(next(item for item in said.groups() if item))) if said else None


def _map_key(key: str) -> str:
    return key if re.fullmatch(r"[WUV](?:_\w+)?|[wu]_\w+", key) else f"W_{key}"


def defined_name(symbol: Symbol) -> str:
    """Return the name of what a left side defines: without its positions."""
    labels = []
    for item in symbol.indices:
        if isinstance(item, Symbol) and (item.name in POSITIONS or item.name in ("h", "d", "c")):
            continue
        if isinstance(item, Symbol):
            labels.append(item.name)
        elif isinstance(item, Number):
            labels.append(item.text)
        elif not isinstance(item, Operation):
            raise NotReadError(f"{symbol.name} with an index that is no name")
    return "_".join([symbol.name, *labels])
