"""Whether code is what its card says, as far as its text shows: cheaper than the ladder, and before it.

The ladder measures what a component does; that it uses what the card names, only its text can tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

#: Functions that equations name, and how code may spell them.
_SPELLINGS = {
    "sigmoid": "sigmoid", "silu": "silu|swish", "tanh": "tanh", "relu": "relu", "gelu": "gelu", "softplus": "softplus",
    "elu": r"\belu|\.elu", "softmax": "softmax|attention", "cos": "cosine|normalize|cos",
    "exp": "exp|softmax|weighted_mean",
    "rms_norm": "rms_norm|square", "max": "max", "log": "log", "sqrt": r"sqrt|\*\* ?0\.5|norm|attention",
}  # fmt: skip


def unfaithful(source: str, card: Card) -> str | None:
    """Return what of a card its code leaves out, or None.

    Args:
        source: The class, without the building blocks that it calls.
        card: What it is to be.
    """
    return next(_omissions(source, card), None)


def _omissions(source: str, card: Card) -> Iterator[str]:
    names = _count_names(source)
    for item in card.hyperparameters:
        if names.get(item.name, 0) < 2:  # once in the signature
            yield f"the hyper-parameter {item.name} is never used; use it as the card says"
    equations = " ".join(card.equations)
    for name, spelling in _SPELLINGS.items():
        named = re.search(rf"(?<![A-Za-z]){name}(?:_\w+)?\s*\(", equations, re.IGNORECASE)
        if named and not re.search(spelling, source, re.IGNORECASE):
            yield f"the card's equations have {name}(...), the code has none; write what the equations say"
    if card.slot is Slot.MODULATOR and "self.block(" not in source:
        yield "the block is never run; a modulator calls block(...)"


def _count_names(source: str) -> dict[str, int]:
    """Return how often each name stands in a source."""
    counts: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        name = None
        if isinstance(node, ast.Name):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Attribute):
            name = node.attr
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return counts
