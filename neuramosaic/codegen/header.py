"""The docstring at the top of model.py: which architecture it is, and of what it was made."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from neuramosaic.codegen.imports import LINE_LENGTH
from neuramosaic.components.spec import ComponentSpec
from neuramosaic.space.architecture import Architecture


def write_header(architecture: Architecture, specs: Sequence[ComponentSpec], parameters: str | None) -> str:
    """Return the docstring, quotes included.

    Args:
        architecture: What the file is made from.
        specs: Its components.
        parameters: How many parameters the model has, and for which sizes; None leaves the line out.
    """
    facts = [("architecture", architecture.id)]
    if parameters:
        facts.append(("parameters", parameters))
    training = ", ".join(f"{name} {value!r}" for name, value in architecture.training.items())
    if training:
        facts.append(("training", training))
    slot = max(len(spec.slot) for spec in specs)
    name = max(len(spec.name) for spec in specs)
    components = [
        f"    {spec.slot:<{slot}}  {spec.name:<{name}}  {spec.version}  "
        + (f"arXiv {spec.paper}" if spec.paper else str(spec.provenance))
        for spec in specs
    ]
    lines = [
        *textwrap.wrap(f'"""{architecture.label()}.', LINE_LENGTH),
        "",
        "Written by NeuraMosaic. `python model.py` prints the model's size and runs it once.",
        "",
        *(line for fact in facts for line in _fact(*fact)),
        "",
        "Components, with the versions of their sources:",
        "",
        *components,
        '"""',
    ]
    return "\n".join(lines)


def _fact(name: str, text: str) -> list[str]:
    first = f"    {name:<12}  "
    return textwrap.wrap(text, LINE_LENGTH, initial_indent=first, subsequent_indent=" " * len(first))
