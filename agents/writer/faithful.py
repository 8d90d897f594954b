"""Whether code is what its card says, as far as its text shows: cheaper than the ladder, and before it.

The ladder measures what a component does; that it uses what the card names, only its text can tell. The equations that
can be parsed are held against the forward pass (`agents.writer.structure`): decays, gates of the values that both name,
how much is learned. What cannot be compared is not judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agents.writer.structure import GATES, SPELT, CardStructure, CodeStructure, card_structure, code_structure
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

#: Functions that equations name, and how code may spell them.
_SPELLINGS = {
    "sigmoid": "sigmoid|silu|swish", "silu": "silu|swish", "tanh": "tanh", "relu": "relu", "gelu": "gelu",
    "softplus": "softplus", "elu": r"\belu|\.elu", "softmax": "softmax|attention", "cos": "cosine|normalize|cos",
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
    said, done = card_structure(card), code_structure(source)
    yield from _wrong_decays(said, done)
    yield from _wrong_gates(said, done)
    if done.learned is not None and done.learned < len(said.learned):
        yield (
            f"the card learns {', '.join(sorted(said.learned))}: {len(said.learned)} maps and vectors, the code learns "
            f"{done.learned}; make each of them, with linear(...) or param(...)"
        )


def _wrong_decays(said: CardStructure, done: CodeStructure) -> Iterator[str]:
    """Say which states forget otherwise than the card has it."""
    if not said.decays or not said.complete or not done.decays:
        return
    states = ", ".join(sorted(said.decays))
    kinds = set(said.decays.values())
    if True not in kinds and True in done.decays:
        instead = "param_per_head(...), head_index() or numbers" if False in kinds else "no decay at all"
        yield f"the decay of {states} does not depend on x in the card, in the code it does; make it of {instead}"
    if kinds == {None} and False in done.decays:
        yield f"the state {states} of the card does not decay, in the code it does; give the scan no decay"
    if kinds == {True} and True not in done.decays:
        yield f"the decay of {states} depends on x in the card, in the code it does not; write it as the card does"


def _wrong_gates(said: CardStructure, done: CodeStructure) -> Iterator[str]:
    """Say which values that both name went through other functions."""
    for name in sorted(said.functions.keys() & done.functions.keys()):
        wanted = said.functions[name] & GATES
        for gate in sorted(wanted):
            if not done.functions[name] & SPELT[gate]:
                yield f"the card has {name} = ... {gate}(...), the code's {name} goes through no {gate}; write it so"
        if said.complete:
            allowed = {other for gate in said.all_functions[name] for other in SPELT.get(gate, {gate})}
            for gate in sorted(done.own[name] & GATES - allowed):
                yield f"the code applies {gate}(...) to make {name}, the card does not; write {name} as the card does"


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
