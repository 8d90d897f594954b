"""From an architecture to a standalone model.py that imports torch only."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from neuramosaic.codegen.assembly import assemble
from neuramosaic.codegen.header import write_header
from neuramosaic.codegen.imports import Import, write_imports
from neuramosaic.codegen.model import ModelWriter
from neuramosaic.codegen.validation import check_sizes, used_components
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.space.architecture import Architecture

_OWN_IMPORTS = (
    Import("dataclasses", "dataclass"),
    Import("torch"),
    Import("torch.nn.functional", alias="F"),
    Import("torch", "Tensor"),
    Import("torch", "nn"),
)
_OWN_NAMES = ("WIDTH", "DEPTH", "Config", "Model", "make_block")


def generate(architecture: Architecture, catalogue: Catalogue, *, vocab_size: int, sequence_length: int) -> str:
    """Write the model of an architecture as one Python file.

    The file holds a `Config` (vocab_size, sequence_length), the classes of the components used, `make_block` and
    `Model`, whose `forward` maps tokens (B, T) to logits (B, T, vocab_size) for any T. Equal arguments, equal bytes.
    Only catalogue components are ever executed here, to be counted.

    Args:
        architecture: With all its hyper-parameters.
        catalogue: Where its components are found.
        vocab_size: Default of the config: how many values a token has.
        sequence_length: Default of the config: T in training, in tokens.

    Raises:
        CodegenError: If a field is invalid or a component's source cannot be used; names the field or component.
    """
    check_sizes(vocab_size, sequence_length)
    specs = used_components(architecture, catalogue)
    parts = assemble([spec for spec in specs if not spec.traits.get("identity")], _OWN_IMPORTS, _OWN_NAMES)
    writer = ModelWriter(architecture, catalogue, parts.class_names)
    body = "\n\n\n".join(
        (
            f"WIDTH = {architecture.width}\nDEPTH = {architecture.depth}",
            *parts.sections,
            writer.config(vocab_size, sequence_length),
            writer.make_block(),
            writer.model(),
            writer.main(),
        )
    )
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    imports = write_imports(item for item in parts.imports if item.bound in used or item.module == "__future__")
    header = write_header(architecture, specs, _parameters(architecture, catalogue, specs, vocab_size, sequence_length))
    return f"{header}\n\n{imports}\n\n{body}\n"


def _parameters(
    architecture: Architecture,
    catalogue: Catalogue,
    specs: Iterable[ComponentSpec],
    vocab_size: int,
    sequence_length: int,
) -> str | None:
    """Return the header's line on the model's size; None if counting would run code that is not the catalogue's."""
    if any(spec.provenance is not Provenance.CATALOGUE for spec in specs):
        return None
    count = count_parameters(architecture, catalogue, vocab_size=vocab_size, sequence_length=sequence_length)
    return f"{count:,} at vocab_size {vocab_size}, sequence_length {sequence_length}"
