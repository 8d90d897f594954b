"""The checks of an architecture against its space. Every error names the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidArchitectureError, InvalidValueError, UnknownNameError, UnknownOptionError
from neuramosaic.space.architecture import Architecture, Choice
from neuramosaic.space.domains import Parameter
from neuramosaic.space.layout import NO_MODULATOR, Options


def choices(architecture: Architecture) -> Iterator[tuple[str, Slot, Choice]]:
    """Yield every choice of an architecture with the name of its field and its slot."""
    for index, block in enumerate(architecture.blocks):
        yield f"blocks[{index}].mixer", Slot.MIXER, block.mixer
        yield f"blocks[{index}].channel", Slot.CHANNEL, block.channel
        yield f"blocks[{index}].norm", Slot.NORM, block.norm
        yield f"blocks[{index}].modulator", Slot.MODULATOR, block.modulator or Choice(NO_MODULATOR)
    yield "position", Slot.POSITION, architecture.position
    yield "residual", Slot.RESIDUAL, architecture.residual


def check_choice(field: str, options: Options, choice: Choice) -> None:
    """Check that a choice is one of the options and has all of its hyper-parameters.

    Raises:
        InvalidArchitectureError: If not; names `field` or the hyper-parameter within it.
    """
    if choice.name not in options.specs:
        raise InvalidArchitectureError(field, str(UnknownNameError(str(options.slot), choice.name, options.specs)))
    check_values(f"{field}.hyperparameters", options.domains(choice.name), choice.hyperparameters)


def check_values(field: str, domains: Sequence[Parameter], values: Mapping[str, Any]) -> None:
    """Check that `values` holds exactly one valid value for each domain.

    Raises:
        InvalidArchitectureError: If not; names the value's field.
    """
    by_name = {domain.name: domain for domain in domains}
    for name, value in values.items():
        if name not in by_name:
            raise InvalidArchitectureError(f"{field}.{name}", str(UnknownOptionError(field, name, by_name)))
        check_value(f"{field}.{name}", by_name[name], value)
    for name in by_name:
        if name not in values:
            raise InvalidArchitectureError(f"{field}.{name}", "is missing")


def check_value(field: str, domain: Parameter, value: object) -> None:
    """Check one value against its domain.

    Raises:
        InvalidArchitectureError: If it is outside; names `field`.
    """
    try:
        domain.check(value)
    except InvalidValueError as error:
        raise InvalidArchitectureError(field, str(error).removeprefix(f"{error.field}: ")) from error


def rounded(domains: Sequence[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid values with the digits that survive encoding, so that equal vectors mean equal architectures."""
    return {domain.name: domain.from_unit(domain.to_unit(values[domain.name])) for domain in domains}
