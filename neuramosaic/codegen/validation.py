"""The checks before a line is written: every choice known, complete and within its domains."""

from __future__ import annotations

import math
from collections.abc import Iterator

from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import CodegenError, UsageError
from neuramosaic.space.architecture import Architecture, Choice

_MIN_WIDTH = 8


def used_components(architecture: Architecture, catalogue: Catalogue) -> tuple[ComponentSpec, ...]:
    """Return the components of an architecture, each once, in the order in which they are written.

    Raises:
        CodegenError: If a field of the architecture is out of its range, or a choice is unknown, incomplete or outside
            its domains; names the field.
    """
    _check_number("width", architecture.width, _MIN_WIDTH)
    _check_number("depth", architecture.depth, 1)
    if not 1 <= len(architecture.blocks) <= 4:
        raise CodegenError(f"blocks: {len(architecture.blocks)} blocks: expected 1 to 4")
    for key, value in architecture.training.items():
        if not key.isidentifier() or type(value) not in (int, float) or not math.isfinite(value):
            raise CodegenError(f"training: {key!r}: {value!r}: expected a plain name and a finite number")
    specs: dict[tuple[Slot, str], ComponentSpec] = {}
    for field, slot, choice in _choices(architecture):
        specs.setdefault((slot, choice.name), _checked(field, slot, choice, catalogue))
    order = {slot: index for index, slot in enumerate(_WRITTEN)}
    return tuple(sorted(specs.values(), key=lambda spec: order[spec.slot]))


def check_sizes(vocab_size: int, sequence_length: int) -> None:
    """Check what the task decides.

    Raises:
        CodegenError: If a size is not a positive whole number; names it.
    """
    _check_number("vocab_size", vocab_size, 1)
    _check_number("sequence_length", sequence_length, 1)


_WRITTEN = (Slot.POSITION, Slot.NORM, Slot.MIXER, Slot.CHANNEL, Slot.RESIDUAL, Slot.MODULATOR)


def _choices(architecture: Architecture) -> Iterator[tuple[str, Slot, Choice]]:
    for index, block in enumerate(architecture.blocks[: architecture.depth]):
        yield f"blocks[{index}].norm", Slot.NORM, block.norm
        yield f"blocks[{index}].mixer", Slot.MIXER, block.mixer
        yield f"blocks[{index}].channel", Slot.CHANNEL, block.channel
        if block.modulator is not None:
            yield f"blocks[{index}].modulator", Slot.MODULATOR, block.modulator
    yield "position", Slot.POSITION, architecture.position
    yield "residual", Slot.RESIDUAL, architecture.residual


def _checked(field: str, slot: Slot, choice: Choice, catalogue: Catalogue) -> ComponentSpec:
    try:
        spec = catalogue.get(slot, choice.name)
        spec.check(dict(choice.hyperparameters))
    except UsageError as error:
        raise CodegenError(f"{field}: {error}") from error
    for parameter in spec.hyperparameters:
        if parameter.name not in choice.hyperparameters:
            raise CodegenError(f"{field}.{parameter.name}: is missing: {choice.name!r} needs all its hyper-parameters")
    return spec


def _check_number(field: str, value: object, least: int) -> None:
    if type(value) is not int or value < least:
        raise CodegenError(f"{field}: {value!r} is not valid: expected a whole number of at least {least}")
