"""How an architecture is laid out as named parameters: the flat, conditional space that samplers search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import UnknownNameError, UsageError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.domains import Categorical, Float, Integer, Parameter
from neuramosaic.space.parameters import Condition, ParameterSpace

NO_MODULATOR = "none"
BLOCK_SLOTS = (Slot.MIXER, Slot.CHANNEL, Slot.NORM, Slot.MODULATOR)

TRAINING = (
    Float("learning_rate", 3e-4, 1e-2, log=True, default=3e-3),
    Float("weight_decay", 0.0, 0.3, default=0.1),
    Float("warmup_fraction", 0.01, 0.2, log=True, default=0.05),
)
"""The training numbers that belong to an architecture."""


@dataclass(frozen=True)
class Options:
    """The components that a slot may hold.

    Attributes:
        slot: The slot.
        specs: By name, in the order of the choices; None stands for "no modulator".
        default: Name chosen where nothing else is said.
    """

    slot: Slot
    specs: Mapping[str, ComponentSpec | None]
    default: str

    @classmethod
    def of(cls, catalogue: Catalogue, slot: Slot, given: Sequence[str] | None, *, preferred: str) -> Options:
        """Return the components of a slot, or those of the given names.

        Args:
            catalogue: The components.
            slot: The slot.
            given: Names allowed, or None for all.
            preferred: The default, if it is allowed; else the first.

        Raises:
            UnknownNameError: If a name is not a component of the slot.
            UsageError: If nothing is left to choose from.
        """
        known: dict[str, ComponentSpec | None] = {NO_MODULATOR: None} if slot is Slot.MODULATOR else {}
        known |= {spec.name: spec for spec in catalogue.slot(slot)}
        for name in given or ():
            if name not in known:
                raise UnknownNameError(str(slot), name, known)
        specs = known if given is None else {name: spec for name, spec in known.items() if name in given}
        if not specs:
            raise UsageError(f"no {slot} to choose from: known: {', '.join(sorted(known)) or 'none'}")
        return cls(slot, specs, preferred if preferred in specs else next(iter(specs)))

    def domains(self, name: str) -> tuple[Parameter, ...]:
        """Return the domains of a component's hyper-parameters."""
        spec = self.specs[name]
        return spec.hyperparameters if spec else ()


class Layout:
    """Names every choice of an architecture, and reads and writes them as a point.

    Names are paths: `depth`, `pattern`, `block0.mixer`, `block0.mixer.attention.heads`, `position`,
    `training.learning_rate`. A hyper-parameter is active only where its component is chosen, a block only where the
    pattern is long enough. A slot with one option is no parameter.

    Attributes:
        parameters: The space of the points.
    """

    def __init__(
        self,
        options: Mapping[Slot, Options],
        *,
        max_pattern: int,
        depth: Integer,
        width: Integer | None,
        training: tuple[Float, ...],
    ) -> None:
        self._options = options
        self._training = training
        self._parameters: list[Parameter] = [*([width] if width else []), depth]
        self._conditions: list[Condition] = []
        if max_pattern > 1:
            self._parameters.append(Integer("pattern", 1, max_pattern, default=1))
        self._add_slot("position", Slot.POSITION, None)
        self._add_slot("residual", Slot.RESIDUAL, None)
        for index in range(max_pattern):
            active = ("pattern", tuple(range(index + 1, max_pattern + 1))) if index else None
            for slot in BLOCK_SLOTS:
                self._add_slot(f"block{index}.{slot}", slot, active)
        self._parameters += [replace(number, name=f"training.{number.name}") for number in training]
        self.parameters = ParameterSpace(self._parameters, self._conditions)

    def _add_slot(self, path: str, slot: Slot, active: tuple[str, tuple[Any, ...]] | None) -> None:
        options = self._options[slot]
        chosen_here = len(options.specs) > 1
        if chosen_here:
            self._add(Categorical(path, tuple(options.specs), options.default), active)
        for name in options.specs:
            for domain in options.domains(name):
                parameter = replace(domain, name=f"{path}.{name}.{domain.name}")
                self._add(parameter, (path, (name,)) if chosen_here else active)

    def _add(self, parameter: Parameter, active: tuple[str, tuple[Any, ...]] | None) -> None:
        self._parameters.append(parameter)
        if active:
            self._conditions.append(Condition(parameter.name, *active))

    def read(self, point: Mapping[str, Any], width: int) -> Architecture:
        """Return the architecture that a valid point names.

        Args:
            point: Every active parameter.
            width: Used where the point has none.
        """
        return Architecture(
            width=point.get("width", width),
            depth=point["depth"],
            blocks=tuple(self._read_block(point, f"block{index}") for index in range(point.get("pattern", 1))),
            position=self._read_choice(point, "position", Slot.POSITION),
            residual=self._read_choice(point, "residual", Slot.RESIDUAL),
            training={number.name: point[f"training.{number.name}"] for number in self._training},
        )

    def _read_block(self, point: Mapping[str, Any], path: str) -> Block:
        mixer, channel, norm, modulator = (self._read_choice(point, f"{path}.{slot}", slot) for slot in BLOCK_SLOTS)
        return Block(mixer, channel, norm, None if modulator.name == NO_MODULATOR else modulator)

    def _read_choice(self, point: Mapping[str, Any], path: str, slot: Slot) -> Choice:
        options = self._options[slot]
        name = point.get(path, options.default)
        return Choice(name, {domain.name: point[f"{path}.{name}.{domain.name}"] for domain in options.domains(name)})

    def write(self, architecture: Architecture) -> dict[str, Any]:
        """Return the point of an architecture with complete hyper-parameters."""
        point: dict[str, Any] = {
            "width": architecture.width,
            "depth": architecture.depth,
            "pattern": len(architecture.blocks),
        }
        self._write_choice(point, "position", architecture.position)
        self._write_choice(point, "residual", architecture.residual)
        for index, block in enumerate(architecture.blocks):
            self._write_choice(point, f"block{index}.mixer", block.mixer)
            self._write_choice(point, f"block{index}.channel", block.channel)
            self._write_choice(point, f"block{index}.norm", block.norm)
            self._write_choice(point, f"block{index}.modulator", block.modulator or Choice(NO_MODULATOR))
        point |= {f"training.{name}": value for name, value in architecture.training.items()}
        return {name: point[name] for name in self.parameters.names if name in point}

    def _write_choice(self, point: dict[str, Any], path: str, choice: Choice) -> None:
        point[path] = choice.name
        point |= {f"{path}.{choice.name}.{name}": value for name, value in choice.hyperparameters.items()}
