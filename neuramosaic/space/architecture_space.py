"""The space of architectures: every combination of the catalogue's components that meets the parameter budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neuramosaic.canonical import content_id
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.registry import catalogue as built_in_catalogue
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import (
    BudgetError,
    InvalidArchitectureError,
    InvalidValueError,
    UsageError,
)
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.domains import Float, Integer
from neuramosaic.space.layout import NO_MODULATOR, TRAINING, Layout, Options
from neuramosaic.space.matching import solve_width, within
from neuramosaic.space.validation import check_choice, check_value, check_values, choices, rounded

BASELINE = {
    Slot.MIXER: "attention",
    Slot.CHANNEL: "swiglu",
    Slot.NORM: "rms_norm",
    Slot.POSITION: "rope",
    Slot.RESIDUAL: "pre",
    Slot.MODULATOR: NO_MODULATOR,
}
NO_POSITION = "none"
BASELINE_DEPTH, BASELINE_WIDTH = 4, 128

MUTATION_ATTEMPTS = 64


class ArchitectureSpace:
    """Architectures as points of one typed, conditional space.

    With a parameter budget the width is no parameter: it is solved for, so that size is never what wins.

    Every architecture that the space returns is valid and canonical: its pattern is the shortest that tiles to the same
    blocks, its hyper-parameters are complete, a position that nothing uses is "none", its width is the solved one. Two
    architectures that differ only in these respects are the same point.

    Attributes:
        catalogue: The components.
        parameters: The same space as plain named parameters, which is what samplers search.
        params_budget: Parameters that every model has, within `tolerance`, or None.
        tolerance: Greatest relative difference from the budget.
        vocab_size: Token values, for counting.
        sequence_length: T in tokens, for counting.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        max_pattern: int = 4,
        depth: tuple[int, int] = (2, 8),
        width: tuple[int, int] = (16, 1024),
        params_budget: int | None = None,
        tolerance: float = 0.05,
        vocab_size: int = 256,
        sequence_length: int = 256,
        mixers: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        norms: Sequence[str] | None = None,
        positions: Sequence[str] | None = None,
        residuals: Sequence[str] | None = None,
        modulators: Sequence[str] | None = None,
        training: bool = True,
    ) -> None:
        """Make a space.

        Args:
            catalogue: The components to build from.
            max_pattern: Greatest length of the pattern, 1 to 4.
            depth: Least and greatest number of blocks.
            width: Least and greatest width.
            params_budget: Parameters of every model, or None to leave the width free.
            tolerance: Greatest relative difference from the budget.
            vocab_size: Token values.
            sequence_length: T in tokens.
            mixers: Names of the mixers allowed; None allows all. So for the other slots.
            channels: Names of the channels allowed.
            norms: Names of the norms allowed.
            positions: Names of the positions allowed.
            residuals: Names of the residual topologies allowed.
            modulators: Names of the modulators allowed; "none" stands for no modulator.
            training: Whether the training numbers belong to the architecture.

        Raises:
            UnknownNameError: If a name is not a component of its slot.
            UsageError: If a range is empty, or a number is out of its range.
            BudgetError: If not even the plainest model of the space can meet the budget.
        """
        if not 1 <= max_pattern <= 4:
            raise InvalidValueError("max_pattern", max_pattern, "a whole number from 1 to 4")
        if params_budget is not None and params_budget < 1:
            raise InvalidValueError("params_budget", params_budget, "a positive number of parameters, or None")
        self.catalogue = catalogue
        self.params_budget, self.tolerance = params_budget, tolerance
        self.vocab_size, self.sequence_length = vocab_size, sequence_length
        names = (mixers, channels, norms, positions, residuals, modulators)
        self._options = {
            slot: Options.of(catalogue, slot, given, preferred=BASELINE[slot])
            for slot, given in zip(Slot, names, strict=True)
        }
        self._idle_position = self._find_idle_position()
        self._max_pattern = max_pattern
        self._depth = Integer("depth", *depth, default=_clamp(BASELINE_DEPTH, depth))
        self._width = Integer("width", *width, log=True, default=_clamp(BASELINE_WIDTH, width))
        self._training: tuple[Float, ...] = TRAINING if training else ()
        layout_width = self._width if params_budget is None else None
        self._layout = Layout(
            self._options, max_pattern=max_pattern, depth=self._depth, width=layout_width, training=self._training
        )
        self.parameters = self._layout.parameters
        self._widths: dict[Architecture, int] = {}
        self.version = content_id(self._definition())
        self._plainest = self._fit_depth(self._layout.read(self.parameters.default(), self._width.default))

    @classmethod
    def default(cls, **overrides: Any) -> ArchitectureSpace:
        """Return the space of the built-in catalogue; takes the keyword arguments of the class."""
        return cls(built_in_catalogue(), **overrides)

    def components(self, slot: Slot) -> tuple[ComponentSpec, ...]:
        """Return the components that may fill a slot."""
        return tuple(spec for spec in self._options[slot].specs.values() if spec)

    def options(self, slot: Slot) -> tuple[str, ...]:
        """Return the names that a slot may have; "none" stands for no modulator."""
        return tuple(self._options[slot].specs)

    @property
    def depths(self) -> range:
        """The numbers of blocks that an architecture may have."""
        return range(self._depth.low, self._depth.high + 1)

    def _find_idle_position(self) -> str | None:
        """Return the one name of a relative position that no mixer uses: "none", or the first of its kind."""
        specs = self._options[Slot.POSITION].specs
        if NO_POSITION in specs:
            return NO_POSITION
        return next((name for name, spec in specs.items() if spec and _is_relative(spec)), None)

    def _definition(self) -> dict[str, Any]:
        specs = [spec for options in self._options.values() for spec in options.specs.values() if spec]
        return {
            "parameters": self.parameters.version,
            "components": {f"{spec.slot}:{spec.name}": spec.version for spec in specs},
            "options": {str(slot): list(options.specs) for slot, options in self._options.items()},
            "width": [self._width.low, self._width.high],
            "params_budget": self.params_budget,
            "tolerance": self.tolerance,
            "vocab_size": self.vocab_size,
            "sequence_length": self.sequence_length,
        }

    # Between architectures, points and vectors

    def to_point(self, architecture: Architecture) -> dict[str, Any]:
        """Return the point of an architecture, in its canonical form.

        Raises:
            InvalidArchitectureError: If the architecture is not of this space; names the field.
        """
        return self._layout.write(self.canonicalise(architecture))

    def from_point(self, point: Mapping[str, Any]) -> Architecture:
        """Return the canonical architecture of a point, with its width solved.

        Where no width meets the budget the design is repaired, always in the same way: the nearest depth that can meet
        it, else the first block alone, else the plainest model of the space.

        Raises:
            UsageError: If the point is not valid; names the parameter.
        """
        self.parameters.validate(point)
        architecture = self._layout.read(point, self._width.default)
        try:
            return self._fit_depth(architecture)
        except BudgetError:
            pass
        try:
            return self._fit_depth(replace(architecture, blocks=architecture.blocks[:1]))
        except BudgetError:
            return replace(self._plainest, training=architecture.training)

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Return the vector of an architecture, shape `(parameters.dimension,)`, each number in [0, 1].

        Raises:
            InvalidArchitectureError: If the architecture is not of this space; names the field.
        """
        return self.parameters.encode(self.to_point(architecture))

    def decode(self, vector: np.ndarray) -> Architecture:
        """Return the architecture at a vector; total: numbers outside [0, 1] are clipped, NaN counts as 0.5.

        Args:
            vector: Shape `(parameters.dimension,)`.

        Raises:
            InvalidValueError: If the vector has another shape.
        """
        array = np.asarray(vector, dtype=float)
        if array.shape != (self.parameters.dimension,):
            raise InvalidValueError("vector", array.shape, f"shape ({self.parameters.dimension},)")
        return self.from_point(self.parameters.decode(array))

    # Canonical form and validity

    def canonicalise(self, architecture: Architecture) -> Architecture:
        """Return the canonical form: complete, with the shortest pattern and the solved width.

        Hyper-parameters and training numbers that are missing take their defaults.

        Raises:
            InvalidArchitectureError: If the architecture is not of this space; names the field.
        """
        complete = self._complete(architecture)
        self._validate_design(complete)
        try:
            return self._fit(complete)
        except BudgetError as error:
            raise InvalidArchitectureError("width", str(error)) from error

    def validate(self, architecture: Architecture) -> None:
        """Check that an architecture is complete and lies in this space; it need not be canonical.

        Raises:
            InvalidArchitectureError: If not; names the field, such as "blocks[1].mixer.hyperparameters.heads".
        """
        self._validate_design(architecture)
        if self.params_budget is None:
            return
        params = self.count_parameters(architecture)
        if not within(params, self.params_budget, self.tolerance):
            wanted = f"{self.tolerance:.0%} of {self.params_budget:,}"
            problem = f"{architecture.width} gives {params:,} parameters, expected within {wanted}"
            raise InvalidArchitectureError("width", problem)

    def _complete(self, architecture: Architecture) -> Architecture:
        def complete(slot: Slot, choice: Choice) -> Choice:
            spec = self._options[slot].specs.get(choice.name)
            return Choice(choice.name, {**spec.defaults(), **choice.hyperparameters}) if spec else choice

        blocks = tuple(
            Block(
                complete(Slot.MIXER, block.mixer),
                complete(Slot.CHANNEL, block.channel),
                complete(Slot.NORM, block.norm),
                complete(Slot.MODULATOR, block.modulator) if block.modulator else None,
            )
            for block in architecture.blocks
        )
        training = {number.name: number.default for number in self._training} | dict(architecture.training)
        position = complete(Slot.POSITION, architecture.position)
        residual = complete(Slot.RESIDUAL, architecture.residual)
        return replace(architecture, blocks=blocks, position=position, residual=residual, training=training)

    def _validate_design(self, architecture: Architecture) -> None:
        check_value("depth", self._depth, architecture.depth)
        check_value("width", self._width, architecture.width)
        if not 1 <= len(architecture.blocks) <= self._max_pattern:
            problem = f"{len(architecture.blocks)} blocks in the pattern, expected 1 to {self._max_pattern}"
            raise InvalidArchitectureError("blocks", problem)
        for field, slot, choice in choices(architecture):
            check_choice(field, self._options[slot], choice)
        check_values("training", self._training, architecture.training)

    def _fit(self, architecture: Architecture) -> Architecture:
        """Return the canonical form of a complete design at its own depth, or raise `BudgetError`."""
        shortest = self._simplify(architecture)
        if self.params_budget is None:
            return shortest
        # Neither the old width nor the training numbers bear on the solved width.
        design = replace(shortest, width=self._width.low, training={})
        if design not in self._widths:
            self._widths[design] = solve_width(
                design,
                self.params_budget,
                self.count_parameters,
                tolerance=self.tolerance,
                low=self._width.low,
                high=self._width.high,
            )
        return replace(shortest, width=self._widths[design])

    def _fit_depth(self, architecture: Architecture) -> Architecture:
        """Return the canonical form at the nearest depth that can meet the budget, or raise `BudgetError`."""
        depths = range(self._depth.low, self._depth.high + 1)
        failure: BudgetError | None = None
        for depth in sorted(depths, key=lambda depth: (abs(depth - architecture.depth), depth)):
            try:
                return self._fit(replace(architecture, depth=depth))
            except BudgetError as error:
                failure = failure or error
        assert failure is not None, "the range of depths is not empty"
        raise failure

    def _simplify(self, architecture: Architecture) -> Architecture:
        """Return the shortest way to write a complete design: pattern, position and digits."""
        expanded = architecture.expanded()
        length = next(
            length
            for length in range(1, len(architecture.blocks) + 1)
            if all(block == expanded[index % length] for index, block in enumerate(expanded))
        )
        blocks = tuple(self._round_block(block) for block in expanded[:length])
        position = architecture.position
        mixers = [self.catalogue.get(Slot.MIXER, block.mixer.name) for block in blocks]
        if _is_relative(self.catalogue.get(Slot.POSITION, position.name)) and not any(m.uses_position for m in mixers):
            position = self._default_choice(Slot.POSITION, self._idle_position or position.name)
        return replace(
            architecture,
            blocks=blocks,
            position=self._round(Slot.POSITION, position),
            residual=self._round(Slot.RESIDUAL, architecture.residual),
            training=rounded(self._training, architecture.training),
        )

    def _round_block(self, block: Block) -> Block:
        modulator = self._round(Slot.MODULATOR, block.modulator) if block.modulator else None
        mixer, channel = self._round(Slot.MIXER, block.mixer), self._round(Slot.CHANNEL, block.channel)
        return Block(mixer, channel, self._round(Slot.NORM, block.norm), modulator)

    def _round(self, slot: Slot, choice: Choice) -> Choice:
        domains = self.catalogue.get(slot, choice.name).hyperparameters
        return Choice(choice.name, rounded(domains, choice.hyperparameters))

    # Search operators

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture."""
        return self.from_point(self.parameters.sample(rng))

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Change one choice of an architecture; the result always differs from it.

        Raises:
            InvalidArchitectureError: If the architecture is not of this space.
            UsageError: If no change of one or a few choices leads to another architecture.
        """
        origin = self.canonicalise(architecture)
        point = self._layout.write(origin)
        for attempt in range(MUTATION_ATTEMPTS):
            # A change can be undone by the canonical form (a block that the depth does not reach): try again, and
            # after a while change more at once.
            changed = self.from_point(self.parameters.mutate(point, rng, n=1 + attempt // 16))
            if changed != origin:
                return changed
        raise UsageError("no mutation leads to another architecture: widen the space")

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Mix two architectures choice by choice.

        Raises:
            InvalidArchitectureError: If one of them is not of this space.
        """
        return self.from_point(self.parameters.crossover(self.to_point(a), self.to_point(b), rng))

    def distance(self, a: Architecture, b: Architecture) -> float:
        """Return how far apart two architectures are, from 0 (the same) to 1.

        Raises:
            InvalidArchitectureError: If one of them is not of this space.
        """
        return self.parameters.distance(self.to_point(a), self.to_point(b))

    # Named points and sizes

    def baseline(self) -> Architecture:
        """Return the baseline: pre-norm RMSNorm, RoPE attention, SwiGLU, matched to the budget.

        It is a point of the space unless the space is restricted to other components.

        Raises:
            UnknownNameError: If the catalogue lacks one of its components.
            BudgetError: If no depth and width bring it within the budget.
        """
        chosen = {slot: self._default_choice(slot, BASELINE[slot]) for slot in Slot if slot is not Slot.MODULATOR}
        architecture = Architecture(
            width=self._width.default,
            depth=self._depth.default,
            blocks=(Block(chosen[Slot.MIXER], chosen[Slot.CHANNEL], chosen[Slot.NORM]),),
            position=chosen[Slot.POSITION],
            residual=chosen[Slot.RESIDUAL],
            training={number.name: number.default for number in self._training},
        )
        return self._fit_depth(architecture)

    def _default_choice(self, slot: Slot, name: str) -> Choice:
        return Choice(name, self.catalogue.get(slot, name).defaults())

    def count_parameters(self, architecture: Architecture) -> int:
        """Return the parameters of an architecture's model, exactly."""
        return count_parameters(
            architecture, self.catalogue, vocab_size=self.vocab_size, sequence_length=self.sequence_length
        )


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return min(max(value, bounds[0]), bounds[1])


def _is_relative(position: ComponentSpec) -> bool:
    """Return whether a position acts within mixers only, so that it does nothing where no mixer uses it."""
    return bool(position.traits.get("relative"))
