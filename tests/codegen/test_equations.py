"""Equations of cards, read by rule: what is compiled computes what they say, and what cannot be read is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neuramosaic.codegen.inlining import inline_blocks
from neuramosaic.codegen.sketch import compile_sketch
from neuramosaic.codegen.sketch.equations import NotReadError, read_equations
from neuramosaic.components.card import Card
from tests.codegen.equation_cards import CASES, Case

WIDTH, LENGTH = 8, 7


def card(*equations: str, slot: str = "mixer", summary: str = "One", **hyperparameters: float) -> Card:
    made = [
        {"name": name, "kind": "integer", "domain": [1, 16], "default": value}
        if isinstance(value, int)
        else {"name": name, "kind": "categorical", "domain": [value, 2 * value], "default": value}
        for name, value in hyperparameters.items()
    ]
    data = {"name": "one", "slot": slot, "summary": summary, "equations": list(equations), "hyperparameters": made}
    return Card.from_mapping(data)


def built(case: Case) -> nn.Module:
    """Return the component that a card's equations make, its parameters at random."""
    made = card(*case.equations, slot=case.slot, **case.hyperparameters)
    source = compile_sketch("\n".join(read_equations(made)), made, exact=True)
    namespace: dict[str, object] = {"__name__": "made"}
    exec(inline_blocks(source), namespace)
    torch.manual_seed(1)
    block = [nn.Linear(WIDTH, WIDTH, bias=False)] if case.slot == "modulator" else []
    component = namespace["One"](WIDTH, *block)  # type: ignore[operator]
    with torch.no_grad():
        for parameter in component.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.6 if parameter.dim() < 2 else parameter.shape[-1] ** -0.5))
    return component


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read_computes_what_the_equations_say(case: Case) -> None:
    component = built(case)
    parameters = {name.removesuffix(".weight"): value for name, value in component.named_parameters()}
    x = torch.randn(2, LENGTH, WIDTH)
    with torch.no_grad():
        torch.testing.assert_close(component(x), case.reference(x, parameters), rtol=1e-3, atol=1e-4)
