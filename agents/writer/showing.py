"""What a model is shown of cards, contracts and blocks."""

from __future__ import annotations

import json

from agents.writer.hints import suggest
from neuramosaic.codegen.inlining import block_names, block_signature
from neuramosaic.codegen.sketch import vocabulary
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

_HEADS = "- D may not be divisible by heads: head_dim = max(2, 2 * (d_model // (2 * heads))), inner = heads * head_dim."


def shown_card(card: Card) -> str:
    """Return a card as lines of text, with the functions that its equations speak of."""
    lines = [f"slot: {card.slot}", f"summary: {card.summary}", "equations:", *(f"  {item}" for item in card.equations)]
    if card.hyperparameters:
        settings = ", ".join(f"{item.name}={item.default}" for item in card.hyperparameters)
        lines.append(f"hyper-parameters: {settings}")
    lines.append(f"cost: {card.cost} in T")
    if card.properties.receptive_field is not None:
        lines.append(f"receptive field: {card.properties.receptive_field}")
    if hints := suggest(card):
        lines.append(f"functions that may serve: {', '.join(hints)}")
    return "\n".join(lines)


def shown_lines(sketch: str) -> str:
    """Return a sketch as an answer would have it."""
    return json.dumps({"lines": [line for line in sketch.splitlines() if line.strip()]})


def shown_functions() -> str:
    """Return the functions of a sketch, one per line."""
    return "\n".join(f"- {line}" for line in vocabulary())


def shown_blocks() -> str:
    """Return the building blocks, one per line."""
    return "\n".join(f"  {block_signature(name)}" for name in block_names())


def contract(card: Card) -> str:
    """Return the signature of a card's class, as its slot has it."""
    block = " block," if card.slot is Slot.MODULATOR else ""
    settings = "".join(f", {item.name}={item.default!r}" for item in card.hyperparameters)
    lines = [f"- __init__(self, d_model,{block}{settings.removeprefix(',')}) and forward(self, x), which returns y."]
    if card.slot is Slot.MODULATOR:
        lines.append("- block is the module that it wraps, (B, T, D) -> (B, T, D); keep it as self.block and call it.")
    if any(item.name == "heads" for item in card.hyperparameters):
        lines.append(_HEADS)
    return "\n".join(lines)
